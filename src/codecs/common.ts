import { z } from 'zod';
import { accessLogFields, compileAccessLog, explainAccessLog, interpretAccessLog } from './access-log.ts';
import type { CodecDefinition } from './codec.ts';

const options = z.strictObject({});

/** The Common Log Format of NCSA httpd. The grammar stands in access-log.ts. */
export const common: CodecDefinition<z.output<typeof options>> = {
  type: 'common',
  summary: 'Access logs in the Common Log Format.',
  options,
  defaultEventTimeField: '@timestamp',
  fields: () => accessLogFields(false),
  compile: (_, request) => compileAccessLog(false, request),
  interpret: (_, request) => interpretAccessLog(false, request),
  explain: (_, request) => explainAccessLog(false, request),
  probe: {},
  examples: [
    {
      title: 'a request',
      options: {},
      line: '2001:db8::7 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326',
      record: {
        'source.address': '2001:db8::7',
        'source.ip': '2001:db8::7',
        'user.name': 'frank',
        '@timestamp': Date.UTC(2000, 9, 10, 20, 55, 36),
        'http.request.method': 'GET',
        'url.original': '/apache_pb.gif',
        'url.path': '/apache_pb.gif',
        'url.query': null,
        'http.version': '1.0',
        'http.response.status_code': 200,
        'http.response.body.bytes': 2326,
      },
    },
  ],
};
