import { refuses } from '../support/broken-config.ts';

refuses(
  'a measure of the future',
  'requests: count',
  'visitors: histogram(http.response.body.bytes)',
  '14:27 NOT_BUILT: the aggregate histogram is not built yet — there are count, sum, min, max, avg, stddev, distinct',
);
refuses(
  'an unknown aggregate',
  'requests: count',
  'requests: cont',
  '14:27 MEASURE: there is no aggregate "cont" — did you mean "count"?',
);
refuses(
  'a sum over text',
  'sum(http.response.body.bytes)',
  'sum(url.path)',
  '14:41 MEASURE: sum needs a number, and url.path is a keyword — numbers are destination.port, source.port, http.response.status_code, http.response.body.bytes',
);
refuses(
  'a sum of nothing',
  'sum(http.response.body.bytes)',
  'sum',
  '14:41 MEASURE: sum needs a field — write sum(field)',
);
refuses(
  'a sum over an unknown field',
  'sum(http.response.body.bytes)',
  'sum(bytes)',
  '14:41 UNKNOWN_FIELD: the stream\'s lines have no field "bytes" — did you mean "http.response.body.bytes"?',
);
refuses(
  'a measure that is an expression',
  'requests: count',
  'requests: count + 1',
  '14:27 MEASURE: "count + 1" is not a measure — write count, count(field) or sum(field)',
);
