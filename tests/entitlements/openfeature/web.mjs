// The web provider, as a page uses it with its user's token. Prints what it was told.
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature } from '@openfeature/web-sdk';

const statuses = [];
const counted = async (...words) => {
  const answer = await fetch(...words);
  statuses.push(answer.status);
  return answer;
};
const provider = new OFREPWebProvider({
  baseUrl: process.env.FAREBOX_URL,
  headers: [['Authorization', `Bearer ${process.env.FAREBOX_TOKEN}`]],
  fetchImplementation: counted,
  cacheMode: 'disabled',
  changeDetection: 'none',
});
await OpenFeature.setContext({ targetingKey: 'anna' });
await OpenFeature.setProviderAndWait(provider);
const client = OpenFeature.getClient();
const given = ({ value, reason, variant }) => ({ value, reason, variant });
// The same user again: only what has changed is sent.
await OpenFeature.setContext({ targetingKey: 'anna', page: 'settings' });
const asked = [...statuses];
const details = client.getBooleanDetails('export', false);
const level = client.getStringDetails('support_level', 'none');
const { value, errorCode } = client.getBooleanDetails('no-such', true);
await OpenFeature.setContext({ targetingKey: 'ben' });

console.log(
  JSON.stringify({
    export: given(details),
    support_level: given(level),
    unknown: { value, errorCode },
    statuses: asked,
    foreign: statuses.at(-1),
  }),
);
await OpenFeature.close();
