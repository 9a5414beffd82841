/** A node of the tree that `json_serialize_sql` gives: its kind, and what that has. */
export type SqlNode = Readonly<Record<string, unknown>> & { readonly class: string; readonly type: string };
