import { expect, test } from '@jest/globals';
import { resolveText } from '../../support/configs.ts';
import { problemsOf } from '../../support/broken-config.ts';

const pipeline = (sources: string, { broker = '', codec = 'json', sinks = '' } = {}): string => `version: 1
name: shop
broker: { type: kafka, brokers: ['127.0.0.1:9092'], topic_prefix: lp, single_broker: true${broker} }
sources:
${sources}
streams:
  orders: { codec: { type: ${codec}${codec === 'json' ? ", fields: { '@timestamp': date }" : ''} } }
rollups:
  all: { from: orders, window: { type: tumbling, size: 1m }, measures: { n: count } }
${sinks}`;

const source = (name: string, rest: string): string => `  ${name}: { type: kafka, stream: orders, ${rest} }`;
const of = (sources: readonly string[], more = {}): string[] => problemsOf(pipeline(sources.join('\n'), more));

test('a topic that one source names and the pattern of another matches is refused, whichever comes first', () => {
  const [named, matching] = [
    source('named', 'topics: [shop.orders]'),
    source('all', String.raw`topic_pattern: 'shop\..*|x'`),
  ];
  const said = String.raw`VALUE: the topic_pattern of sources.all matches the topic shop.orders, too: each of its records would be two lines — leave it out here, or there: topic_pattern: '(?!shop\.orders$)(?:shop\..*|x)'`;
  expect(of([named, matching])).toEqual([`5:50 ${said}`]);
  expect(of([matching, named])).toEqual([`6:50 ${said}`]);
  // The way out is one.
  expect(of([named, source('all', String.raw`topic_pattern: '(?!shop\.orders$)(?:shop\..*|x)'`)])).toEqual([]);
});

test('a pattern takes nothing of the own prefix, so a name there is no second road', () => {
  const all = source('all', "topic_pattern: '.*'");
  expect(of([source('named', 'topics: [lp.events.other.out]'), all])).toEqual([]);
  expect(of([source('named', 'topics: [lpevents]'), all])).toHaveLength(1);
});

test('of two names of this machine and of several brokers a common one is the same cluster', () => {
  const pattern = source('all', "topic_pattern: 'o.*'");
  const twice = [expect.stringContaining('the topic_pattern of sources.all matches the topic orders, too')];
  expect(of([source('named', "topics: [orders], brokers: ['localhost:9092', 'k:1']"), pattern])).toEqual(twice);
  expect(of([source('named', "topics: [orders], brokers: ['k:1']"), pattern])).toEqual([]);
});

test('the same topic for two hosts is two lines a record, too', () => {
  const on = (name: string): string => source(name, `topics: [a], agent: ${name}`);
  expect(of([on('one'), on('two')])).toEqual([
    '6:48 VALUE: sources.one reads the topic a already: each of its records would be two lines — name it once',
  ]);
});

test('a pattern twice is refused: of overlapping ones the first has what both match', () => {
  const pattern = (name: string, text: string): string => source(name, `topic_pattern: '${text}'`);
  expect(of([pattern('one', 'a.*'), pattern('two', 'a.*')])).toEqual([
    '6:54 VALUE: sources.one reads the topics of this pattern already: nothing is left for this one — leave one of them out',
  ]);
  const text = pipeline([pattern('one', 'a.*'), pattern('two', 'a.+')].join('\n'));
  expect(resolveText(text, 'tailrace.yaml', {}).config.inputs).toMatchObject([
    { topicPattern: 'a.*' },
    { topicPattern: 'a.+', earlierPatterns: [{ source: 'one', pattern: 'a.*' }] },
  ]);
});

test("Tailrace's own topics are no source", () => {
  const said = (topic: string): string =>
    `VALUE: ${topic} is a topic that Tailrace writes for itself: what is read there would be written there again — read the topic of an events sink, or tables with tailrace sql`;
  expect(of([source('loop', 'topics: [a, lp.raw.orders, lp.cursors, lp.events.other.out]')])).toEqual([
    `5:52 ${said('lp.raw.orders')}`,
    `5:67 ${said('lp.cursors')}`,
  ]);
  expect(of([source('elsewhere', "topics: [lp.raw.orders], brokers: ['k:1']")])).toEqual([]);
  expect(of([source('other', 'topics: [tailrace.raw.orders]')])).toEqual([]);
});

test("the pipeline's own events are no source of what they are made from", () => {
  const sinks = 'sinks: { out: { type: events, topic: totals } }';
  const said =
    'VALUE: sinks.out writes the rows of all to totals: they would be counted in all again — give them a stream of their own, or leave the topic out';
  expect(of([source('loop', 'topics: [totals]')], { sinks })).toEqual([`5:49 ${said}`]);
  expect(of([source('loop', "topic_pattern: 't.*'")], { sinks })).toEqual([`5:55 ${said}`]);
  expect(of([source('fine', 'topics: [orders]')], { sinks })).toEqual([]);
});

test('an events sink that names no topic has one, and that is no source either', () => {
  const sinks = 'sinks: { out: { type: events } }';
  const said =
    'VALUE: sinks.out writes the rows of all to lp.events.shop.out: they would be counted in all again — give them a stream of their own, or leave the topic out';
  expect(of([source('loop', 'topics: [a, lp.events.shop.out]')], { sinks })).toEqual([`5:52 ${said}`]);
  expect(of([source('fine', 'topics: [lp.events.shop.other, lp.events.other.out]')], { sinks })).toEqual([]);
  expect(of([source('fine', "topic_pattern: '.*'")], { sinks })).toEqual([]);
});

test('a pattern takes no events whose topic begins with the own prefix', () => {
  const sinks = (topic: string): string => `sinks: { out: { type: events, topic: ${topic} } }`;
  const all = source('all', "topic_pattern: '.*'");
  expect(of([all], { sinks: sinks('lp.totals') })).toEqual([]);
  expect(of([all], { sinks: sinks('lptotals') })).toHaveLength(1);
  expect(of([source('named', 'topics: [lp.totals]')], { sinks: sinks('lp.totals') })).toHaveLength(1);
});

test('offsets of a topic that is not read are refused', () => {
  const said = 'VALUE: start has offsets of the topic order, which this source does not read';
  expect(of([source('named', 'topics: [orders], start: { order: { 0: 5 } }')])).toEqual([
    `5:68 ${said} — did you mean "orders"?`,
  ]);
  expect(of([source('all', "topic_pattern: 'orders.*', start: { order: { 0: 5 }, orders.eu: { 0: 5 } }")])).toEqual([
    `5:75 ${said} — name a topic that topic_pattern matches`,
  ]);
  expect(of([source('all', "topic_pattern: '.*', start: { lp.order: { 0: 5 } }")])).toEqual([
    `5:69 ${said.replace('order,', 'lp.order,')} — name a topic that topic_pattern matches`,
  ]);
});

test('an envelope over lines that are no JSON is refused', () => {
  expect(of([source('named', 'topics: [a], envelope: json')], { codec: 'combined' })).toEqual([
    '5:64 VALUE: an envelope is JSON, and the stream orders has lines of combined: none could be read — leave envelope out, or give the stream codec: { type: json }',
  ]);
});
