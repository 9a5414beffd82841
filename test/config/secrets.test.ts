import { expect, test } from '@jest/globals';
import { withoutSecrets } from '../../src/config/secrets.ts';

test('passwords and keys are hidden wherever they stand, and nothing else is', () => {
  const config = {
    broker: { sasl: { mechanism: 'plain', username: 'u', password: 'p' }, tls: null },
    sinks: [{ auth: { apiKey: 'k' } }, { auth: null }],
    dataDir: '/data',
  };
  expect(withoutSecrets(config)).toEqual({
    broker: { sasl: { mechanism: 'plain', username: 'u', password: '***' }, tls: null },
    sinks: [{ auth: { apiKey: '***' } }, { auth: null }],
    dataDir: '/data',
  });
});
