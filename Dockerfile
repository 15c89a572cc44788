# One image for web, worker, beat, sweeper and the migration job; deploy/start says how each begins.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/
RUN /opt/venv/bin/pip install --require-hashes -r /tmp/requirements.txt
COPY . /app
WORKDIR /app
# The key signs nothing here: collecting files is all that is done with it.
RUN SECRET_KEY=only-for-collecting-static-files-while-building-the-image /opt/venv/bin/python manage.py collectstatic --noinput \
    && /opt/venv/bin/python -m compileall -q config vault events keys pricing entitlements billing

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin farebox \
    && install -d -o 10001 -m 0750 /var/lib/farebox/seals
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    GRANIAN_WORKERS=2 GRANIAN_BLOCKING_THREADS=8
USER 10001
EXPOSE 9097
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "deploy/healthy.py"]
ENTRYPOINT ["deploy/start"]
CMD ["web"]
