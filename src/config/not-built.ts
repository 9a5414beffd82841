/**
 * What the design names and this version does not have yet: one clear answer instead of "unknown key". A name leaves this
 * list when its part is built.
 */

/** Keys by the section they stand in; `*` stands for a name the user chose. */
export const UNBUILT_KEYS: Readonly<Record<string, readonly string[]>> = {
  '': ['enrich', 'patterns', 'detections', 'alerts', 'serve', 'metrics', 'monitor', 'relays', 'lookups', 'restart'],
  'streams.*': ['enrich', 'filter', 'multiline', 'partition_by', 'derive'],
  'rollups.*': ['filter', 'having', 'partition_by', 'early'],
};

/** Values of `type` by the section they stand in. */
export const UNBUILT_TYPES: Readonly<Record<string, readonly string[]>> = {
  'sources.*': ['stdin', 'syslog', 'http', 'otlp', 'generator', 'journald', 'docker'],
  'streams.*.codec': ['regex', 'grok', 'syslog', 'logfmt', 'csv', 'cef', 'leef', 'raw'],
  'streams.*.transforms.*': ['user_agent', 'geoip', 'lookup'],
  'rollups.*.window': ['hopping'],
  'sinks.*': ['alerts', 'webhook', 'relay'],
};

export const UNBUILT_AGGREGATES: readonly string[] = ['histogram'];
