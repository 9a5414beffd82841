import { refuses } from '../support/broken-config.ts';

refuses(
  'a misspelt top section',
  'rollups:',
  'rolups:',
  '9:1 UNKNOWN_KEY: unknown key "rolups" — did you mean "rollups"?',
);
refuses(
  'a misspelt option',
  'include:',
  'includ:',
  '4:22 UNKNOWN_KEY: unknown key "includ" in sources.web — did you mean "include"?',
);
refuses(
  'a misspelt option of an event time',
  'out_of_orderness',
  'out_of_order',
  '8:19 UNKNOWN_KEY: unknown key "out_of_order" in streams.access.event_time — did you mean "out_of_orderness"?',
);
refuses(
  'an unknown key that resembles nothing',
  'name: web',
  'name: web\nquux: 3',
  '3:1 UNKNOWN_KEY: unknown key "quux" — one of: version, name, data_dir, broker, agent, sources, streams, rollups, … (12 in all)',
);
refuses(
  'a merge key',
  '    from: access',
  '    <<: {}\n    from: access',
  '11:5 UNKNOWN_KEY: unknown key "<<" in rollups.traffic — merge keys are not read: write the values out',
);
refuses(
  'a missing version',
  'version: 1\n',
  '',
  '1:1 MISSING_KEY: "version" is missing — it is 1, the version of this file format',
);
refuses(
  'another version',
  'version: 1',
  'version: 2',
  '1:10 VALUE: version is 2 — expects 1, the version of this file format',
);
refuses(
  'a missing name',
  'name: web\n',
  '',
  '1:1 MISSING_KEY: "name" is missing — it is a name: a lower-case letter, then letters, digits, _ and -, at most 63',
);
refuses(
  'a name with a capital',
  'name: web',
  'name: Web',
  '2:7 VALUE: name is "Web" — expects a name: a lower-case letter, then letters, digits, _ and -, at most 63',
);
refuses(
  'a name that is a number',
  'name: web',
  'name: 7',
  '2:7 WRONG_TYPE: name is the number 7 — expects a name: a lower-case letter, then letters, digits, _ and -, at most 63',
);
refuses(
  'a section without content',
  'sources:\n  web: { type: file, include: [logs/access.log*], stream: access }',
  'sources:',
  '3:1 WRONG_TYPE: sources is empty — expects a map of names',
);
refuses(
  'a section that is a list',
  'streams:\n  access:\n    codec: { type: combined }\n    event_time: { out_of_orderness: 60s }',
  'streams: [access]',
  '5:10 WRONG_TYPE: streams is a list — expects a map of names',
);
refuses(
  'a number where text belongs',
  'name: web',
  'name: web\ndata_dir: 3',
  '3:11 WRONG_TYPE: data_dir is the number 3 — expects text',
);
refuses(
  'a section of the future',
  'version: 1',
  'version: 1\nalerts: {}',
  '2:1 NOT_BUILT: "alerts" is not built yet — remove it',
);
refuses(
  'an unknown broker',
  'version: 1',
  'version: 1\nbroker: { type: embeded }',
  '2:17 UNKNOWN_TYPE: broker has no type "embeded" — did you mean "embedded"?',
);
refuses(
  'a source of the future',
  'type: file, include: [logs/access.log*]',
  'type: syslog',
  '4:16 NOT_BUILT: sources.web of type syslog is not built yet — there are file, kafka',
);
refuses(
  'a source without a type',
  'type: file, ',
  '',
  '4:3 MISSING_KEY: "type" is missing in sources.web — one of: file, kafka',
);
refuses(
  'a source without files',
  '[logs/access.log*]',
  '[]',
  '4:31 VALUE: sources.web.include is [] — must not be empty',
);
refuses(
  'one pattern that is no list',
  '[logs/access.log*]',
  'logs/access.log',
  '4:31 WRONG_TYPE: sources.web.include is the text "logs/access.log" — expects a list of paths or patterns',
);
refuses(
  'a source without a stream',
  ', stream: access',
  '',
  '4:3 MISSING_KEY: "stream" is missing in sources.web — it is the name of a stream',
);
refuses(
  'a codec of the future',
  '{ type: combined }',
  '{ type: grok }',
  '7:20 NOT_BUILT: streams.access.codec of type grok is not built yet — there are combined, common, json',
);
refuses(
  'a misspelt codec',
  '{ type: combined }',
  '{ type: combind }',
  '7:20 UNKNOWN_TYPE: streams.access.codec has no type "combind" — did you mean "combined"?',
);
refuses(
  'a codec with an option it has not',
  '{ type: combined }',
  '{ type: combined, zone: UTC }',
  '7:30 UNKNOWN_KEY: unknown key "zone" in streams.access.codec — one of: type',
);
refuses(
  'enrichment',
  '    event_time:',
  '    enrich: [geoip]\n    event_time:',
  '8:5 NOT_BUILT: "enrich" in streams.access is not built yet — remove it',
);
refuses(
  'a duration without unit',
  '60s',
  '60',
  '8:37 WRONG_TYPE: streams.access.event_time.out_of_orderness is the number 60 — expects a duration with its unit: did you mean 60s?',
);
refuses(
  'a duration with an unknown unit',
  '60s',
  '60sec',
  '8:37 VALUE: streams.access.event_time.out_of_orderness is "60sec" — expects a duration: a whole number and ms, s, m, h or d, such as 30s',
);
refuses(
  'a duration beyond its bounds',
  '60s',
  '60d',
  '8:37 VALUE: streams.access.event_time.out_of_orderness is "60d" — must be between 0s and 30d',
);
refuses(
  'a size without unit',
  'version: 1',
  'version: 1\nbroker: { type: embedded, disk_max: 20 }',
  '2:37 WRONG_TYPE: broker.disk_max is the number 20 — expects a size with its unit: did you mean 20MiB?',
);
refuses(
  'a size below its bounds',
  'version: 1',
  'version: 1\nbroker: { type: embedded, disk_max: 1MiB }',
  '2:37 VALUE: broker.disk_max is "1MiB" — must be between 16MiB and 1024TiB',
);
refuses(
  'too many partitions',
  '    event_time:',
  '    partitions: 65\n    event_time:',
  '8:17 VALUE: streams.access.partitions is 65 — must be between 1 and 64',
);
refuses(
  'half a partition',
  '    event_time:',
  '    partitions: 1.5\n    event_time:',
  '8:17 WRONG_TYPE: streams.access.partitions is the number 1.5 — expects a whole number',
);
refuses(
  'a rollup with a name for which SQL needs quotes',
  '  traffic:',
  '  traffic-1m:',
  '10:3 VALUE: the name "traffic-1m" cannot be used — expects a name for SQL: lower-case letters, digits and _, at most 63, not beginning with a digit',
);
refuses(
  'a rollup without measures',
  '\n    measures: { requests: count, bytes: sum(http.response.body.bytes) }',
  '',
  '10:3 MISSING_KEY: "measures" is missing in rollups.traffic — it is a map of keys',
);
refuses(
  'a filter',
  '    from: access',
  '    from: access\n    having: status >= 500',
  '12:5 NOT_BUILT: "having" in rollups.traffic is not built yet — remove it',
);
refuses(
  'a hopping window',
  '{ type: tumbling, size: 1m }',
  '{ type: hopping, size: 30m }',
  '13:21 NOT_BUILT: rollups.traffic.window of type hopping is not built yet — there are tumbling, sliding, session',
);
refuses(
  'a sliding window without a slide',
  'type: tumbling',
  'type: sliding',
  '13:5 MISSING_KEY: "slide" is missing in rollups.traffic.window — it is a duration: a whole number and ms, s, m, h or d, such as 30s',
);
refuses(
  'a session without a gap',
  '{ type: tumbling, size: 1m }',
  '{ type: session }',
  '13:5 MISSING_KEY: "gap" is missing in rollups.traffic.window — it is a duration: a whole number and ms, s, m, h or d, such as 30s',
);
refuses(
  'an unknown window',
  'type: tumbling',
  'type: tumblin',
  '13:21 UNKNOWN_TYPE: rollups.traffic.window has no type "tumblin" — did you mean "tumbling"?',
);
refuses(
  'a window without size',
  ', size: 1m',
  '',
  '13:5 MISSING_KEY: "size" is missing in rollups.traffic.window — it is a duration: a whole number and ms, s, m, h or d, such as 30s',
);
refuses(
  'a window of nothing',
  'size: 1m',
  'size: 0s',
  '13:37 VALUE: rollups.traffic.window.size is "0s" — must be between 100ms and 31d',
);
refuses(
  'a window of a year',
  'size: 1m',
  'size: 365d',
  '13:37 VALUE: rollups.traffic.window.size is "365d" — must be between 100ms and 31d',
);
refuses(
  'an allowed lateness without unit',
  '    from: access',
  '    from: access\n    allowed_lateness: 5',
  '12:23 WRONG_TYPE: rollups.traffic.allowed_lateness is the number 5 — expects a duration with its unit: did you mean 5s?',
);
refuses(
  'a measure that is a number',
  'requests: count',
  'requests: 3',
  '14:27 WRONG_TYPE: rollups.traffic.measures.requests is the number 3 — expects text',
);
refuses(
  'a measure with a name of spaces',
  'requests: count',
  '"all requests": count',
  '14:17 VALUE: the name "all requests" cannot be used — expects a name for SQL: lower-case letters, digits and _, at most 63, not beginning with a digit',
);
refuses(
  'a checkpoint interval that is too short',
  'version: 1',
  'version: 1\nengine: { checkpoint: { interval: 1ms } }',
  '2:35 VALUE: engine.checkpoint.interval is "1ms" — must be between 50ms and 10m',
);
refuses(
  'a sink of the future',
  'version: 1',
  'version: 1\nsinks: { calls: { type: webhook } }',
  '2:25 NOT_BUILT: sinks.calls of type webhook is not built yet — there are duckdb, elasticsearch, events',
);
