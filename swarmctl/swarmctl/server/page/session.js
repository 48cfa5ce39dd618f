/**
 * Who we are to the server: the token, and requests that carry it.
 *
 * The token comes in the address's fragment, which no server ever sees, or is asked for; it is kept for this tab alone.
 * Every error of the API is a problem (RFC 9457), here an ApiError.
 */

const KEY = "swarmctl.token";
let token = "";

/** What the server refused, or that it could not be reached (status 0). */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.hint = problem.hint ?? "";
    this.retryAfter = problem.retryAfter ?? 0;
  }

  /** One line that says what is wrong and what to do. */
  get line() {
    return this.hint ? `${this.message}; ${this.hint}` : this.message;
  }
}

/** Take the token out of the address bar, or out of the tab's memory. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    keepToken(given);
    history.replaceState(null, "", location.pathname + location.search);
  } else {
    token = recall();
  }
  return token;
}

/** Use this token from now on; an empty one is forgotten. */
export function keepToken(given) {
  token = given.trim();
  try {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  } catch {
    // without storage it lives as long as the page
  }
}

function recall() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** fetch() with the token. Raises ApiError for every status that is no success. */
export async function request(path, options = {}) {
  const headers = { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...options.headers };
  let response;
  try {
    response = await fetch(path, { cache: "no-store", credentials: "omit", ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: "the server cannot be reached" });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  problem.retryAfter = Number(response.headers.get("Retry-After")) || 0;
  throw new ApiError(response.status, problem);
}

/** What a GET answers, as JSON; null for 204. */
export async function get(path, options = {}) {
  const response = await request(path, options);
  return response.status === 204 ? null : response.json();
}

/** POST a JSON body; what is answered, null where that is nothing. */
export async function post(path, body = {}, headers = {}) {
  const response = await request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

export async function remove(path) {
  await request(path, { method: "DELETE" });
}

/** A key that no other request has: crypto.randomUUID() is not there on plain http beyond this machine. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The path of an agent in the API. */
export function agentPath(id, ...rest) {
  return ["/v1/agents", encodeURIComponent(id), ...rest].join("/");
}
