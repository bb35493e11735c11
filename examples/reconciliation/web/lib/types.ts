// What the API answers; `openapi.json` is the long form.

export type Status = "queued" | "running" | "done" | "failed";

export interface Reconciliation {
  id: number;
  bank_file: string;
  ledger_file: string;
  status: Status;
  error: string | null;
  matcher: string | null;
  bank_lines: number;
  ledger_entries: number;
  exact: number;
  amount_date: number;
  fuzzy: number;
  unmatched_bank: number;
  unmatched_ledger: number;
  resolved: number;
  created_at: string;
  finished_at: string | null;
}

export interface ReconciliationPage {
  page: number;
  has_more: boolean;
  items: Reconciliation[];
}

export interface Entry {
  id: number;
  line: number;
  date: string;
  amount: string;
  reference: string;
  description: string;
}

export type Kind = "exact" | "amount_date" | "fuzzy" | "resolved";

export interface Pair {
  bank: Entry;
  ledger: Entry | null;
  kind: Kind;
  similarity: number | null;
  note: string | null;
}

export type LineState = "matched" | "unmatched" | "resolved";

export interface Lines {
  page: number;
  pages: number;
  pairs: Pair[];
  bank: Entry[];
  ledger: Entry[];
}

export interface Progress {
  phase: string;
  done: number;
  total: number;
}
