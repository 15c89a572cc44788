"""The back office of pricing: plans, zones and countries are edited, through the same verbs as elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from config.office import Editing, Explained, JsonBox, reason, staff
from events import clock
from pricing import features, plans, usage_limits, zones
from pricing.errors import PricingError
from pricing.inclusions import COLUMNS, Inclusion, require_fitting
from pricing.models import Country, Feature, Plan, PlanFeature, PlanVersion, PriceOverride, Quote, Zone

PLAN_FIELDS = ("name", "description", "product_line", "active", "metadata")


def _agreed(rule: Callable[[], object]) -> None:
    """Show what a rule of the domain refuses beside the form, instead of failing when it is saved."""
    try:
        rule()
    except PricingError as refused:
        raise ValidationError(str(refused)) from refused


class ReadOnly(ModelAdmin):
    """Rows that staff look at; other parts of Farebox write them."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ZoneForm(Explained):
    def clean(self) -> dict[str, Any]:
        """Refuse multipliers that rise from A to D."""
        said = super().clean() or {}
        if not self.errors:
            _agreed(lambda: zones.compare_zones([self.row(said)]))
        return said

    def row(self, said: dict[str, Any]) -> zones.ZoneRow:
        """Return what the page says of the zone."""
        return zones.ZoneRow(code=self.instance.code, **{name: said[name] for name in zones.ZONE_FIELDS})


@admin.register(Zone)
class ZoneAdmin(Editing):
    form = ZoneForm
    fields = ("name", "multiplier", "world_bank_classification", "gni_per_capita_threshold")
    list_display = ("code", *fields, "updated_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Zone | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Zone, form: ZoneForm, change: bool) -> None:
        with staff(request):
            zones.upsert_zones([form.row(form.cleaned_data)], at=clock.now())


@admin.register(Country)
class CountryAdmin(Editing):
    fields = ("iso_code", "name", "zone", "multiplier", "world_bank_classification", "dataset", "reason")
    list_display = ("iso_code", "name", "zone", "multiplier", "world_bank_classification", "as_classed", "updated_at")
    list_filter = ("zone", "world_bank_classification")
    list_select_related = ("zone",)
    search_fields = ("iso_code", "name")

    @admin.display(boolean=True, description="zone of its class")
    def as_classed(self, country: Country) -> bool:
        """Mark where the owner's zone and the World Bank's class differ (ruling 31)."""
        return country.zone.world_bank_classification == country.world_bank_classification

    def get_readonly_fields(self, request: HttpRequest, obj: Country | None = None) -> tuple[str, ...]:
        return ("iso_code",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Country, form: ModelForm[Country], change: bool) -> None:
        row = zones.CountryRow(obj.iso_code, **{name: getattr(obj, name) for name in zones.COUNTRY_FIELDS})
        with staff(request):
            zones.upsert(row, at=clock.now())
        obj.pk = Country.objects.get(iso_code=obj.iso_code).pk

    def delete_model(self, request: HttpRequest, obj: Country) -> None:
        with staff(request):
            zones.remove(obj.iso_code, at=clock.now())


class Versions(TabularInline):
    """The versions of a plan, to look at; each opens as a page of its own, with what it includes."""

    model = PlanVersion
    fields = ("number", "billing_cycle", "amount", "included", "published_at", "sold_at")
    readonly_fields = fields
    ordering = ("-number",)
    extra = 0
    can_delete = False
    show_change_link = True

    @admin.display(description="features")
    def included(self, version: PlanVersion) -> str:
        """Name what the version includes."""
        return ", ".join(version.features.values_list("feature_id", flat=True))

    def has_add_permission(self, request: HttpRequest, obj: Plan | None = None) -> bool:
        return False


@admin.register(Plan)
class PlanAdmin(Editing):
    fields = ("id", *PLAN_FIELDS)
    list_display = ("id", "name", "product_line", "current", "active", "updated_at")
    list_filter = ("active", "product_line")
    search_fields = ("id", "name")
    inlines = (Versions,)

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> tuple[str, ...]:
        return ("id",) if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        return super().get_queryset(request).prefetch_related("versions")  # type: ignore[no-any-return]

    def has_delete_permission(self, request: HttpRequest, obj: Plan | None = None) -> bool:
        # A plan that is no longer sold is made inactive: what was bought still names it.
        return False

    def save_model(self, request: HttpRequest, obj: Plan, form: ModelForm[Plan], change: bool) -> None:
        said = {name: form.cleaned_data[name] for name in PLAN_FIELDS}
        with staff(request):
            if change:
                plans.change(obj, at=clock.now(), **said)
            else:
                plans.add(obj.pk, at=clock.now(), **said)


class VersionForm(Explained):
    usage_limits = JsonBox(
        rows=3,
        help_text='Limits in one piece, such as {"api_calls": {"limit": 1000, "period": "month", "soft": true}}. '
        "What it names takes the place of the feature's row below.",
    )

    def clean(self) -> dict[str, Any]:
        """Refuse an amount that Stripe cannot charge, and limits that mean nothing."""
        said = super().clean() or {}
        if not self.errors:
            _agreed(lambda: plans.require_sound(self.terms()))
        return said

    def terms(self, rows: tuple[Inclusion, ...] = ()) -> plans.Terms:
        """Return what the page says, with what its rows include. Raises UsageLimitsWrong."""
        limits = usage_limits.compiled(self.cleaned_data["usage_limits"] or {})
        included = {each.feature: each for each in (*rows, *limits)}
        return plans.Terms(
            **{name: self.cleaned_data[name] for name in plans.TERMS_FIELDS},
            features=tuple(included[code] for code in sorted(included)),
        )


class InclusionForms(BaseInlineFormSet[PlanFeature, PlanVersion, ModelForm[PlanFeature]]):
    def inclusions(self) -> tuple[Inclusion, ...]:
        """Return what the rows of the form include, by feature code."""
        rows = [row.cleaned_data for row in self.forms if row.cleaned_data and not row.cleaned_data.get("DELETE")]
        found = [
            Inclusion(row["feature"].pk, **{name: row[name] for name in COLUMNS} | {"period": row["period"] or None})
            for row in rows
        ]
        return tuple(sorted(found, key=lambda inclusion: inclusion.feature))

    def clean(self) -> None:
        """Refuse a limit where none belongs, and a static feature without its value."""
        super().clean()
        if any(self.errors):
            return
        known = Feature.objects.in_bulk()
        for inclusion in self.inclusions():
            fitting = (inclusion, known[inclusion.feature])
            _agreed(partial(require_fitting, *fitting))


class Inclusions(TabularInline):
    model = PlanFeature
    formset = InclusionForms
    fields = ("feature", *COLUMNS)
    extra = 0


@admin.register(PlanVersion)
class PlanVersionAdmin(Editing):
    form = VersionForm
    fields = ("plan", *plans.TERMS_FIELDS, "usage_limits")
    list_display = ("__str__", "billing_cycle", "amount", "published_at", "sold_at")
    list_filter = ("billing_cycle", "currency")
    inlines = (Inclusions,)
    actions = ("publish",)

    def get_readonly_fields(self, request: HttpRequest, obj: PlanVersion | None = None) -> tuple[str, ...]:
        return ("plan", "number", "published_at", "sold_at") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        fields = super().get_fields(request, obj)
        return (*fields, "published_at", "sold_at") if obj else fields

    def has_change_permission(self, request: HttpRequest, obj: PlanVersion | None = None) -> bool:
        sold = obj is not None and obj.sold_at is not None
        return not sold and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: PlanVersion | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: PlanVersion, form: VersionForm, change: bool) -> None:
        """Write nothing yet: a version and what it includes are one thing, saved together below."""

    def save_related(self, request: HttpRequest, form: VersionForm, formsets: list[Any], change: bool) -> None:
        terms = form.terms(formsets[0].inclusions())
        with staff(request):
            if change:
                plans.revise(form.instance, terms, at=clock.now())
            else:
                made = plans.draft(form.instance.plan, terms, at=clock.now())
                form.instance.pk, form.instance.number = made.pk, made.number

    def construct_change_message(
        self, request: HttpRequest, form: VersionForm, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        """Say in the admin's own log only that it was saved: our history holds the terms before and after."""
        return [{"added": {}}] if add else [{"changed": {"fields": form.changed_data}}]

    @admin.action(description="Publish: put up for sale", permissions=["change"])
    def publish(self, request: HttpRequest, versions: QuerySet[PlanVersion]) -> None:
        """Publish the chosen versions; new buyers get the newest."""
        if not reason(request):
            messages.error(request, "Nothing was published: say why, beside the action.")
            return
        with staff(request):
            published = [str(version) for version in versions if plans.publish(version, clock.now())]
        messages.success(request, f"Published: {', '.join(published) or 'nothing, all were published before'}.")


@admin.register(Feature)
class FeatureAdmin(ReadOnly):
    list_display = ("code", "name", *features.FIELDS[2:], "archived_at")
    search_fields = ("code", "name")


@admin.register(PriceOverride)
class PriceOverrideAdmin(ReadOnly):
    list_display = ("plan", "country", "zone", "amount", "reason", "updated_at")


@admin.register(Quote)
class QuoteAdmin(ReadOnly):
    list_display = ("id", "version", "country_code", "zone_code", "amount", "user_id", "created_at", "expires_at")
    list_filter = ("zone_code", "currency")
    search_fields = ("id", "user_id")
    list_select_related = ("version",)
