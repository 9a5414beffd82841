import { expect, test } from '@jest/globals';
import { RIGHT_CONFIG, changed, folderWith, problemsOf } from '../support/broken-config.ts';

const KAFKA = "type: kafka, brokers: ['k:9093']";
const folder = folderWith('ca.pem', 'cert.pem', 'key.pem', 'folder/x');

const config = (broker: string, source: string, sink: string): string =>
  changed('  web: {', `  more: { ${KAFKA}, topics: [a], stream: access, tls: { ${source} } }\n  web: {`)
    .replace('version: 1', `version: 1\nbroker: { ${KAFKA}, tls: { ${broker} } }`)
    .concat(`sinks: { search: { type: elasticsearch, nodes: ['https://e:9200'], tls: { ${sink} } } }\n`);

test('files of certificates and keys that are not there are problems, wherever they are named', () => {
  const paths = 'paths begin at the folder of this file';
  expect(problemsOf(config('ca: no.pem', 'cert: cert.pem, key: folder', 'ca: /no/ca.pem'), {}, folder)).toEqual([
    `2:56 FILE: broker.tls.ca: no.pem does not exist — ${paths}`,
    `5:102 FILE: sources.more.tls.key: folder is not a regular file — ${paths}`,
    `17:79 FILE: sinks.search.tls.ca: /no/ca.pem does not exist — ${paths}`,
  ]);
  expect(problemsOf(config('ca: ca.pem', 'cert: cert.pem, key: key.pem', 'ca: ca.pem'), {}, folder)).toEqual([]);
});

test('to a role or a question only the files of the broker must be there', () => {
  const text = (broker: string): string => config(broker, 'cert: no.pem, key: no.pem', 'ca: no.pem');
  expect(problemsOf(text('ca: no.pem'), {}, folder, 'part')).toEqual([
    expect.stringContaining('broker.tls.ca: no.pem does not exist'),
  ]);
  expect(problemsOf(text('ca: ca.pem'), {}, folder, 'part')).toEqual([]);
});

test('a file that the environment names is said with its variable', () => {
  const text = RIGHT_CONFIG.replace('version: 1', `version: 1\nbroker: { ${KAFKA}, tls: { ca: ca.pem } }`);
  expect(problemsOf(text, { TAILRACE_BROKER_TLS_CA: 'other.pem' }, folder)).toEqual([
    '- FILE: broker.tls.ca: other.pem does not exist (from TAILRACE_BROKER_TLS_CA) — paths begin at the folder of this file',
  ]);
});
