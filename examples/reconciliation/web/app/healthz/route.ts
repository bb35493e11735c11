// Whether this server answers. It says nothing about the API: pages that explain an outage must
// be served during one.

export const dynamic = "force-dynamic";

export function GET(): Response {
  return Response.json({ status: "ready" });
}
