import { z } from 'zod';
import { accessLogFields, compileAccessLog, explainAccessLog, interpretAccessLog } from './access-log.ts';
import type { CodecDefinition } from './codec.ts';

const options = z.strictObject({});

/** The Combined Log Format: `common` with referrer and user agent. The grammar stands in access-log.ts. */
export const combined: CodecDefinition<z.output<typeof options>> = {
  type: 'combined',
  summary:
    'Access logs in the Combined Log Format of Apache httpd and nginx; also nginx `main`, `vhost_combined`, and with more fields behind.',
  options,
  defaultEventTimeField: '@timestamp',
  fields: () => accessLogFields(true),
  compile: (_, request) => compileAccessLog(true, request),
  interpret: (_, request) => interpretAccessLog(true, request),
  explain: (_, request) => explainAccessLog(true, request),
  probe: {},
  examples: [
    {
      title: 'a request with a query',
      options: {},
      line: '192.0.2.7 - alice [17/May/2015:10:05:03 +0200] "GET /search?q=log HTTP/1.1" 200 2326 "https://example.org/" "Mozilla/5.0"',
      record: {
        'source.address': '192.0.2.7',
        'source.ip': '192.0.2.7',
        'apache.access.user.identity': null,
        'user.name': 'alice',
        '@timestamp': Date.UTC(2015, 4, 17, 8, 5, 3),
        'http.request.method': 'GET',
        'url.original': '/search?q=log',
        'url.path': '/search',
        'url.query': 'q=log',
        'http.version': '1.1',
        'http.response.status_code': 200,
        'http.response.body.bytes': 2326,
        'http.request.referrer': 'https://example.org/',
        'user_agent.original': 'Mozilla/5.0',
      },
    },
    {
      title: 'a virtual host and its port in front, as in vhost_combined; an IPv6 client; more fields behind',
      options: {},
      line: 'www.example.org:443 2001:DB8:0::7 - John Smith [17/May/2015:10:05:03 +0000] "GET / HTTP/2.0" 200 5 "-" "curl/8" "198.51.100.4" 0.003',
      record: {
        'destination.domain': 'www.example.org',
        'destination.port': 443,
        'source.address': '2001:db8::7',
        'source.ip': '2001:db8::7',
        'source.port': null,
        'user.name': 'John Smith',
        '@timestamp': Date.UTC(2015, 4, 17, 10, 5, 3),
        'http.request.method': 'GET',
        'url.original': '/',
        'url.path': '/',
        'http.version': '2.0',
        'http.response.status_code': 200,
        'http.response.body.bytes': 5,
        'user_agent.original': 'curl/8',
        rest: '"198.51.100.4" 0.003',
      },
    },
    {
      title: 'a request line that is none, from a host name, with escapes and missing values',
      options: {},
      line: String.raw`scan.example.net - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01 \"" 400 - "-" "-"`,
      record: {
        'source.address': 'scan.example.net',
        'source.ip': null,
        '@timestamp': Date.UTC(2015, 4, 17, 10, 5, 3),
        'http.request.method': null,
        'url.original': String.raw`\x16\x03\x01 \"`,
        'url.path': null,
        'http.response.status_code': 400,
        'http.response.body.bytes': null,
        'http.request.referrer': null,
        'user_agent.original': null,
      },
    },
  ],
};
