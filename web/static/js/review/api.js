// What the review asks of the server.

import { fairboard } from "../client.js";

const ROOT = "/api/review";

export const waiting = () => fairboard.call("GET", `${ROOT}/waiting`);

/** A page of cases, the worst first. `severity` null: all of them. */
export function listCases({ status, severity, cursor }) {
  const query = new URLSearchParams({ status, sort: "severity" });
  if (severity) query.set("severity", severity);
  if (cursor) query.set("cursor", cursor);
  return fairboard.call("GET", `${ROOT}/cases?${query}`);
}

/** A case with its plots. */
export async function readCase(id) {
  const path = `${ROOT}/cases/${id}`;
  const [file, plots] = await Promise.all([fairboard.call("GET", path), fairboard.call("GET", `${path}/plots`)]);
  return { ...file, plots };
}

export const preview = (id, ruling) => fairboard.call("POST", `${ROOT}/cases/${id}/preview`, ruling);
export const decide = (id, decision) => fairboard.call("POST", `${ROOT}/cases/${id}/decision`, decision);
