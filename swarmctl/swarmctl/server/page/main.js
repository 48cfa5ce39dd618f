/**
 * The page's start: the token, the agents' stream, where we are (`#/` or `#/agents/ID`), keys.
 *
 *     session   token and requests            agents    all agents, folded     list      their rows
 *     streams   pages and followers           lines, window, layout            output    rows of output on screen
 *     sse, ansi, text, colours: pure          source, terminal                 agent     one agent
 *     conversation   items of a session: pure   talk   one on screen   asked, approvals   what is asked, and answers
 */

import { AgentView } from "./agent.js";
import { Agents, asks, titleOf } from "./agents.js";
import { Approvals } from "./approvals.js";
import { ask, field, input, toast } from "./dialogs.js";
import { byId, el, replace, setText } from "./dom.js";
import { listen, showKeys } from "./keys.js";
import { LastLines } from "./lasts.js";
import { AgentList } from "./list.js";
import { agentPath, get, keepToken, takeToken } from "./session.js";
import { spawn } from "./spawn.js";
import { Follower } from "./streams.js";
import { startTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { visible } from "./text.js";

const agents = new Agents();
let info = {};
let follower = null;
let view = null; // the agent that is open
let isAsking = false;
let isNarrow = false; // the token is for some agents alone
let narrowTimer = 0;
const AGAIN = 2000; // ms
const rights = () => info.rights ?? "control";
const lasts = new LastLines(() => list.draw());
const list = new AgentList(agents, lasts, { onOpen: (id) => go(id), onSpawn: () => doSpawn() });
const timeline = new Timeline(agents);
const mayAnswer = () => rights() !== "read" && !isNarrow;
const approvals = new Approvals(agents, { mayAnswer });
const wide = matchMedia("(min-width: 1100px)");

let shown = null; // what is on the screen: its place, and the agent's id

/** Show it at once: the next key is for what is there then, and `hashchange` comes later. */
function go(id) {
  location.hash = id ? `#/agents/${encodeURIComponent(id)}` : "#/";
  route();
}

function route() {
  const id = decodeURIComponent(/^#\/agents\/(.+)$/.exec(location.hash)?.[1] ?? "");
  const isAsked = /^#\/?approvals$/.test(location.hash);
  const place = id ? "one" : isAsked ? "asking" : location.hash === "#/timeline" ? "events" : "all";
  byId("to-approvals").toggleAttribute("aria-current", place === "asking");
  byId("to-agents").toggleAttribute("aria-current", place === "all");
  byId("to-timeline").toggleAttribute("aria-current", place === "events");
  if (shown === `${place} ${id}`) return;
  shown = `${place} ${id}`;
  view?.close();
  view = null;
  list.open(id || null);
  if (id) openAgent(id);
  else if (isAsked) replace(byId("main"), approvals.element);
  else replace(byId("main"), list.element, timeline.element);
  if (!isAsked) approvals.close();
  else if (follower) approvals.open();
  byId("main").className = `layout ${place}`;
  followTimeline();
  showTitle();
}

/** The title has how many wait for an answer, and so has the way to where it is given. */
function showTitle() {
  const count = [...agents.byId.values()].filter(asks).length;
  const agent = view && agents.byId.get(view.id);
  document.title = `${count ? `(${count}) ` : ""}${agent ? `${titleOf(agent)} \u00b7 ` : ""}swarmctl`;
  byId("asked").hidden = !count;
  setText(byId("asked"), String(count));
  byId("to-approvals").title = count ? `${count} ${count === 1 ? "agent waits" : "agents wait"} for an answer` : "";
}

function openAgent(id) {
  view = new AgentView(id, { onClose: () => go(null), onState: showLink, rights, mayAnswer });
  replace(byId("main"), list.element, view.element);
  if (isNarrow) onlyOne();
  refresh();
}

/** The timeline is followed while it is to be seen. */
function followTimeline() {
  const isSeen = follower && !view && byId("main").className !== "layout asking" && (wide.matches || location.hash === "#/timeline");
  if (isSeen) timeline.open();
  else timeline.close();
}

function refresh() {
  list.draw();
  timeline.draw();
  showTitle();
  if (!view) return;
  const agent = agents.byId.get(view.id);
  if (agent || agents.isWhole) view.update(agent);
}

/** Show whether the server is heard, and ask for a token where it wants another. */
function showLink(state, error, wait) {
  if (state === "failed" || error?.status === 404) {
    if (error.status) toast(error.line, true);
    return;
  }
  const link = byId("link");
  if (state === "refused" && error.status === 401) return void askToken(error.message);
  if (state === "refused") toast(error.line, true);
  const texts = {
    live: "Live",
    connecting: "Connecting",
    waiting: `Disconnected, again in ${Math.max(1, Math.round((wait ?? 0) / 1000))} s`,
    refused: "Refused",
    ended: "Ended",
  };
  if (state === "connecting" && link.dataset.state === "waiting") return;
  if (link.dataset.state === "live" && state === "connecting") return;
  link.dataset.state = state;
  link.title = error ? error.message : "";
  replace(link, el("span", { class: "dot", "aria-hidden": "true" }), el("span", { class: "word" }, texts[state]));
  if (state === "waiting") link.append(el("button", { type: "button", class: "quiet", onclick: retry }, "Now"));
}

function retry() {
  follower?.retry();
  view?.retry();
}

function start() {
  follower?.stop();
  isNarrow = false;
  agents.reset();
  follower = new Follower("state/agents", {
    onBatch: (messages, offset, isUpToDate) => {
      agents.apply(messages);
      agents.isWhole ||= isUpToDate;
      refresh();
    },
    onReset: () => agents.reset(),
    onState: (state, error, wait) => {
      if (state === "refused" && error.status === 403) return onlyOne();
      showLink(state, error, wait);
    },
  });
  get("/v1/info").then(
    (given) => {
      info = given;
      setText(byId("host"), visible(info.host?.name ?? info.host ?? ""));
      byId("spawn").hidden = rights() === "read";
      view?.refreshDeeds();
    },
    () => {},
  );
  if (view) view.retry();
  if (/^#\/?approvals$/.test(location.hash)) approvals.open();
  followTimeline();
}

/** A token of one agent sees no lists: only that agent, asked for by its id while it is open. */
async function onlyOne() {
  isNarrow = true;
  agents.isWhole = true;
  if (!view) return toast("this token sees its own agents alone: open one with #/agents/ID", true);
  const { id } = view;
  try {
    const agent = await get(agentPath(id));
    agents.apply([{ type: "agent", key: id, value: agent, headers: { operation: "insert" } }]);
    showLink("live");
  } catch (error) {
    showLink(error.status ? "refused" : "waiting", error, AGAIN);
  }
  refresh();
  clearTimeout(narrowTimer);
  narrowTimer = setTimeout(() => view?.id === id && onlyOne(), AGAIN);
}

async function askToken(why) {
  if (isAsking) return;
  isAsking = true;
  follower?.stop();
  timeline.close();
  await ask({
    title: "Token",
    body: [
      el("p", {}, why ? `${why[0].toUpperCase()}${why.slice(1)}.` : "This server wants a token."),
      field(
        "Token",
        input("token", { type: "password", required: true, autofocus: true }),
        "it is in the file `token` of the state directory; swarmctl token create makes others",
      ),
    ],
    confirm: "Open",
    act: async (form) => {
      keepToken(form.get("token"));
      const response = await fetch("/v1/info", { headers: { Authorization: `Bearer ${form.get("token").trim()}` } });
      if (response.status === 401) throw new Error("the server does not know this token");
    },
  });
  isAsking = false;
  start();
  const open = view?.id;
  if (open) {
    view.close();
    view = shown = null;
    route();
  }
}

function doSpawn() {
  if (rights() === "read") return toast("this token may only read", true);
  return spawn().then((agent) => agent?.id && go(agent.id));
}

function step(by) {
  list.move(by);
  if (view && list.selected) history.replaceState(null, "", `#/agents/${encodeURIComponent(list.selected)}`);
  route();
}

function search() {
  const find = view && view.tab === "output" ? byId("find") : list.search;
  if (!find.isConnected) return false;
  find.focus();
  find.select();
}

const nextTheme = startTheme(byId("theme"), () => view?.terminal?.view.again());
byId("help").addEventListener("click", showKeys);
byId("spawn").addEventListener("click", doSpawn);
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  (view?.talk && view.tab === "talk" ? view.talk.scroller : (view?.terminal?.view.element ?? list.scroller)).focus();
});
addEventListener("hashchange", () => {
  if (new URLSearchParams(location.hash.slice(1)).get("token")) {
    takeToken();
    start();
  }
  route();
});
wide.addEventListener("change", followTimeline);

const deed = (name) => () => (view ? view.act(name) : false);
const term =
  (name, ...given) =>
  () =>
    view?.terminal && view.tab === "output" ? void view.terminal[name](...given) : false;
const ends = (name) => () => (view?.talk && view.tab === "talk" ? void view.talk[name]() : term(name)());
listen({
  "?": showKeys,
  "/": search,
  n: doSpawn,
  T: nextTheme,
  j: () => step(1),
  k: () => step(-1),
  a: () => list.toggle("live"),
  l: () => void (location.hash = "#/timeline"),
  Enter: (event) => (!view && list.selected && event.target === document.body ? go(list.selected) : false),
  Escape: () => (location.hash.length > 2 ? go(null) : false),
  1: () => view?.showNth(0),
  2: () => view?.showNth(1),
  3: () => view?.showNth(2),
  4: () => view?.showNth(3),
  A: () => void (location.hash = "#/approvals"),
  c: deed("cancel"),
  s: deed("signal"),
  r: deed("restart"),
  i: () => (view?.talk ? view.write() : deed("send")()),
  Delete: deed("remove"),
  f: term("toggle", "follow"),
  t: term("toggle", "times"),
  w: term("toggle", "wrap"),
  x: term("toggle", "raw"),
  o: term("toggle", "stdout"),
  e: term("toggle", "stderr"),
  g: ends("first"),
  G: ends("last"),
  p: term("search", -1),
  N: term("search", 1),
  d: () => (view?.terminal ? view.terminal.download() : false),
});

const hasToken = takeToken();
route();
if (hasToken) start();
else get("/v1/info").then(start, (error) => (error.status === 401 ? askToken("") : start()));
