// Numbers, dates and words as people read them.

import type { Kind, Status } from "./types";

export const KIND_NAMES: Record<Kind, string> = {
  exact: "Reference",
  amount_date: "Amount and date",
  fuzzy: "Description",
  resolved: "By hand",
};

export const STATUS_NAMES: Record<Status, string> = {
  queued: "Waiting",
  running: "Matching",
  done: "Done",
  failed: "Failed",
};

export function count(number: number): string {
  return number.toLocaleString("en");
}

/** Groups the digits of an amount without reading it as a number. */
export function amount(text: string): string {
  return text.replace(/\B(?=(\d{3})+\.)/g, ",").replace("-", "\u2212");
}

export function moment(text: string): string {
  const style = { dateStyle: "medium", timeStyle: "short" } as const;
  return new Date(text).toLocaleString("en-GB", style);
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
