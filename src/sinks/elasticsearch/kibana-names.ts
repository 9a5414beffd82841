/** Fixed ids of what `dashboards/kibana/tailrace.ndjson` holds: importing again replaces, and links stay good. */
export const DOCUMENTS_DATA_VIEW = 'tailrace-documents';
