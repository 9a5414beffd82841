/** Fixed ids of what `dashboards/kibana/tailrace.ndjson` holds: importing again replaces, and links stay good. */
export const DOCUMENTS_DATA_VIEW = 'tailrace-documents';
export const ROLLUPS_DATA_VIEW = 'tailrace-rollups';
/** Rows that have a first event: those of sessions. */
export const SESSIONS_DATA_VIEW = 'tailrace-sessions';
export const DEAD_LETTERS_DATA_VIEW = 'tailrace-dead-letters';
export const DASHBOARD = 'tailrace-overview';

/** Where Kibana listens unless something else is said. */
export const DEFAULT_KIBANA = 'http://127.0.0.1:5601';
