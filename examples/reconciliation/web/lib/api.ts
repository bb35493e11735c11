// Calls to the API, through the same origin as the page.

import { accessToken, refreshToken } from "./session";
import type { LineState, Lines, Progress, Reconciliation, ReconciliationPage } from "./types";

/** The session has ended; the page leads to the login. */
export class LoggedOut extends Error {}

export function listReconciliations(page: number, fresh = false): Promise<ReconciliationPage> {
  return call(`/api/reconciliations?page=${page}&fresh=${fresh}`);
}

export function showReconciliation(id: number): Promise<Reconciliation> {
  return call(`/api/reconciliations/${id}`);
}

export interface LinesOptions {
  page: number;
  /** Show what was written a moment ago. */
  fresh: boolean;
  /** The bank line that ledger entries should resemble. */
  near?: number;
}

export function listLines(id: number, state: LineState, options: LinesOptions): Promise<Lines> {
  const query = new URLSearchParams({ state, page: `${options.page}`, fresh: `${options.fresh}` });
  if (options.near !== undefined) query.set("near", `${options.near}`);
  return call(`/api/reconciliations/${id}/lines?${query}`);
}

export interface Resolution {
  bank_line_id: number;
  ledger_entry_id: number | null;
  note: string;
}

export function resolve(id: number, resolution: Resolution): Promise<Reconciliation> {
  return call(`/api/reconciliations/${id}/resolve`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(resolution),
  });
}

/** Sends the two files; `sent` hears the share that has left, from 0 to 1. */
export async function upload(
  bank: File,
  ledger: File,
  sent: (share: number) => void,
): Promise<number> {
  const token = await accessToken();
  if (!token) throw new LoggedOut();
  const form = new FormData();
  form.append("bank", bank);
  form.append("ledger", ledger);
  // `fetch` does not tell how much of a body has left.
  const request = new XMLHttpRequest();
  request.open("POST", "/api/reconciliations");
  request.setRequestHeader("authorization", `Bearer ${token}`);
  request.responseType = "json";
  request.upload.onprogress = (event) => sent(event.loaded / event.total);
  await new Promise<void>((done, fail) => {
    request.onload = () => done();
    request.onerror = () => fail(new Error("The connection was lost."));
    request.send(form);
  });
  const answer = request.response as { id?: number; error?: string } | null;
  if (request.status === 401) throw new LoggedOut();
  if (request.status !== 202 || answer?.id === undefined) {
    throw new Error(answer?.error ?? `The server answered ${request.status}.`);
  }
  return answer.id;
}

/** Watches a run until it ends; returns what stops watching. */
export function watchProgress(id: number, heard: (progress: Progress) => void): () => void {
  let stopped = false;
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function connect() {
    const token = await accessToken().catch(() => null);
    if (stopped) return;
    if (!token) return again();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const address = `${scheme}://${location.host}/api/reconciliations/${id}/progress`;
    let finished = false;
    socket = new WebSocket(address, ["reconciliation.progress", `bearer.${token}`]);
    socket.onmessage = (event: MessageEvent<string>) => {
      const progress = JSON.parse(event.data) as Progress;
      finished = progress.phase === "done" || progress.phase === "failed";
      heard(progress);
    };
    // The instance that served this may be gone; another continues where it was.
    socket.onclose = () => {
      if (!stopped && !finished) again();
    };
  }
  function again() {
    timer = setTimeout(() => void connect(), 1000);
  }

  void connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    socket?.close();
  };
}

async function call<T>(path: string, init: RequestInit = {}): Promise<T> {
  const token = await accessToken();
  if (!token) throw new LoggedOut();
  let answer = await send(path, init, token);
  if (answer.status === 401) {
    const newer = await refreshToken(token);
    if (!newer) throw new LoggedOut();
    answer = await send(path, init, newer);
  }
  if (answer.status === 401) throw new LoggedOut();
  const body = (await answer.json().catch(() => null)) as (T & { error?: string }) | null;
  if (!answer.ok || body === null) {
    throw new Error(body?.error ?? `The server answered ${answer.status}.`);
  }
  return body;
}

function send(path: string, init: RequestInit, token: string): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${token}`);
  return fetch(path, { ...init, headers, cache: "no-store" });
}
