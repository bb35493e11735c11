// The session of this browser, kept across tabs and restarts.
//
// A refresh token is good once: two tabs that refresh at the same time would end the session. A
// lock lets one of them do it, and the other finds the result.

interface Session {
  access_token: string;
  refresh_token: string;
  /** Milliseconds since 1970. */
  expires_at: number;
}

interface SessionAnswer {
  access_token: string;
  refresh_token: string;
  expires_in: number;
}

const KEY = "reconciliation.session";
/** A token this close to its end may have ended when it arrives. */
const MARGIN = 30_000;

export function isLoggedIn(): boolean {
  return read() !== null;
}

export async function logIn(email: string, password: string): Promise<void> {
  const answer = await post("/api/auth/login", { email, password });
  if (!answer.ok) {
    const body = (await answer.json().catch(() => null)) as { error?: string } | null;
    throw new Error(body?.error ?? `The server answered ${answer.status}.`);
  }
  write((await answer.json()) as SessionAnswer);
}

export async function logOut(): Promise<void> {
  const session = read();
  localStorage.removeItem(KEY);
  if (session) await post("/api/auth/logout", { refresh_token: session.refresh_token });
}

/** A token that is good for now, or null when the session has ended. */
export async function accessToken(): Promise<string | null> {
  const session = read();
  if (!session) return null;
  if (Date.now() + MARGIN < session.expires_at) return session.access_token;
  return refreshToken(session.access_token);
}

/** A newer token than the one that was refused. */
export async function refreshToken(refused: string): Promise<string | null> {
  return exclusively(async () => {
    const session = read();
    if (!session) return null;
    if (session.access_token !== refused) return session.access_token;
    const answer = await post("/api/auth/refresh", { refresh_token: session.refresh_token });
    if (answer.ok) return write((await answer.json()) as SessionAnswer).access_token;
    if (answer.status !== 401) throw new Error("The server does not answer, try again.");
    localStorage.removeItem(KEY);
    return null;
  });
}

function exclusively<T>(work: () => Promise<T>): Promise<T> {
  // Browsers offer locks to secure pages only; elsewhere one tab at a time must do.
  return navigator.locks ? navigator.locks.request(KEY, work) : work();
}

function post(path: string, body: unknown): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

function read(): Session | null {
  const text = localStorage.getItem(KEY);
  return text ? (JSON.parse(text) as Session) : null;
}

function write(answer: SessionAnswer): Session {
  const session = {
    access_token: answer.access_token,
    refresh_token: answer.refresh_token,
    expires_at: Date.now() + answer.expires_in * 1000,
  };
  localStorage.setItem(KEY, JSON.stringify(session));
  return session;
}
