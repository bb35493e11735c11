// What the servers behind the application say, asked by this server, so that it works logged out.

export const dynamic = "force-dynamic";

const NAMES = { primary: "Database", replica: "Database replica", redis: "Sessions and progress" };

export default async function Status() {
  const answer = await ask();
  return (
    <section className="card">
      <h1>Status</h1>
      <dl className="status">
        {Object.entries(NAMES).map(([key, name]) => {
          const words = answer[key] ?? "not known: the API does not answer";
          return (
            <div key={key}>
              <dt>{name}</dt>
              <dd className={words === "ok" ? "good" : "bad"}>{words}</dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}

async function ask(): Promise<Record<string, string>> {
  const address = process.env.API_URL;
  if (!address) return {};
  try {
    const signal = AbortSignal.timeout(2000);
    const answer = await fetch(new URL("/ready", address), { cache: "no-store", signal });
    return (await answer.json()) as Record<string, string>;
  } catch {
    // The page says so for each server.
    return {};
  }
}
