// The server provider, as a product's backend uses it. Prints what it was told.
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';

const headers = [['Authorization', `Bearer ${process.env.FAREBOX_TOKEN}`]];
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: process.env.FAREBOX_URL, headers }));
const client = OpenFeature.getClient();
const anna = { targetingKey: 'anna', plan: 'what the application knows', age: 40 };
const given = ({ value, reason, variant }) => ({ value, reason, variant });
const failed = ({ value, errorCode }) => ({ value, errorCode });
const calls = await client.getBooleanDetails('api_calls', false, anna);

console.log(
  JSON.stringify({
    export: given(await client.getBooleanDetails('export', false, anna)),
    support_level: given(await client.getStringDetails('support_level', 'none', anna)),
    calls_left: calls.flagMetadata.remaining,
    support_level_of_ben: await client.getStringValue('support_level', 'none', { targetingKey: 'ben' }),
    unknown: failed(await client.getBooleanDetails('no-such', true, anna)),
    nobody: failed(await client.getBooleanDetails('export', true, {})),
  }),
);
await OpenFeature.close();
