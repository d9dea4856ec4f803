"use strict";
// The charts: asks once a second for the columns that are new, and draws. Text is only ever set as text.
(() => {
  const CHARTS = {
    flow: [["received", "received", "blue"], ["loaded", "loaded", "green"], ["duplicates", "duplicates", "amber"],
      ["quarantined", "quarantined", "red"]],
    queue: [["queue_visible", "waiting", "blue"], ["queue_in_flight", "in flight", "green"], ["held", "held by workers", "amber"]],
    age: [["oldest_seconds", "oldest", "blue"]],
    latency: [["batch_seconds", "mean", "blue"], ["batch_seconds_p95", "95 of 100 below", "amber"]],
    sizes: [["batch_messages", "mean", "blue"]],
    calls: [["calls", "all", "blue"], ["empty_receives", "empty receives", "amber"]],
    cost: [["dollars_an_hour", "at this rate", "blue"]],
  };
  const FROM_DATABASE = { loaded: "database_loaded", quarantined: "database_quarantined" };
  const HEIGHT = { flow: 220 };
  const HALF_A_TIME = 34;  // what of a label of the time axis may stand beyond the last column
  const byId = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  let span = 600, data = { times: [], series: {} }, step = 1, charts = {}, waiting = false, failures = 0;

  const known = (value) => value !== undefined && value !== null;
  function figure(value) {
    if (!known(value)) return "–";
    if (value === 0) return "0";
    if (value >= 1e6) return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 2 });
    const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.01 ? 2 : 4;
    return value.toLocaleString("en", { maximumFractionDigits: digits });
  }
  function lasting(seconds) {
    if (!known(seconds)) return "–";
    if (seconds < 0.001) return "0 s";
    if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 120) return `${figure(seconds)} s`;
    if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
    if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
    return `${Math.round(seconds / 86400)} d`;
  }
  function clock(seconds) {
    return new Date(seconds * 1000).toLocaleTimeString("en-GB");
  }

  function seriesOf(id) {
    const noWorker = !(data.series.loaded || [[], []])[1].some(known);
    return CHARTS[id]
      .map(([name, label, tone]) => id === "flow" && noWorker && FROM_DATABASE[name]
        ? [FROM_DATABASE[name], `${label}, by the database`, tone] : [name, label, tone]);
  }
  function columns(id) {
    const of = seriesOf(id).flatMap(([name]) => {
      const [least, mean, most] = data.series[name] || [[], [], []];
      return [mean, most, least];
    });
    return [data.times, ...of];
  }

  // A line needs two points: where batches are rare, each stands alone between columns without one.
  function alone(plot, series) {
    const of = plot.data[series], found = [];
    for (let at = 0; at < of.length; at++) if (known(of[at]) && !known(of[at - 1]) && !known(of[at + 1])) found.push(at);
    return found;
  }
  function options(id, width) {
    const lines = seriesOf(id);
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false },
      font: "12px system-ui, sans-serif" };
    const series = [{}], bands = [];
    lines.forEach(([, label, tone], at) => {
      const line = colour(tone);
      // What is loaded is mostly what was received: the first line of several is broad and faint, so that both are seen.
      const below = id === "flow" && at === 0;
      series.push({ label, stroke: below ? `${line}66` : line, width: below ? 5 : 1.75, spanGaps: false,
        points: { show: true, size: 3.5, width: 0, fill: line, filter: alone } });
      series.push({ stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } });
      bands.push({ series: [at * 3 + 2, at * 3 + 3], fill: `${line}26` });
    });
    return {
      width, height: HEIGHT[id] || 150, padding: [8, HALF_A_TIME, 0, 0], legend: { show: false }, series, bands,
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: "time" } },
      scales: { x: { time: true }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [{ ...axis, size: 28, space: 70, values: (_, ticks) => ticks.map((at) => clock(at).slice(0, span > 3600 ? 5 : 8)) },
        { ...axis, size: 56, values: (_, ticks) => ticks.map(figure) }],
      hooks: { setCursor: [(plot) => legend(id, plot.cursor.idx)] },
    };
  }

  function legend(id, at) {
    const of = byId(`d-${id}`), last = data.times.length - 1;
    const shown = known(at) && at >= 0 && at <= last ? at : null;
    of.replaceChildren();
    for (const [name, label, tone] of seriesOf(id)) {
      const mean = (data.series[name] || [[], [], []])[1];
      let value = shown === null ? null : mean[shown];
      if (shown === null) for (let k = last; k >= Math.max(0, last - 5) && !known(value); k--) value = mean[k];
      const item = document.createElement("span"), mark = document.createElement("i");
      mark.className = `mark ${tone}`;
      item.append(mark, `${label} `, strong(["age", "latency"].includes(id) ? lasting(value) : figure(value)));
      of.append(item);
    }
    if (shown !== null) { const at = document.createElement("span"); at.className = "at"; at.textContent = clock(data.times[shown]); of.append(at); }
  }
  function strong(text) { const made = document.createElement("strong"); made.textContent = text; return made; }

  function build() {
    for (const id of Object.keys(CHARTS)) {
      const place = byId(`chart-${id}`);
      charts[id]?.destroy();
      place.replaceChildren();
      charts[id] = new uPlot(options(id, place.clientWidth), columns(id), place);
      charts[id].lines = seriesOf(id).map(([name]) => name).join();
    }
    draw();
  }
  function draw() {
    for (const [id, chart] of Object.entries(charts)) {
      if (chart.lines !== seriesOf(id).map(([name]) => name).join()) { build(); return; }
      chart.setData(columns(id), false);
      const end = data.times.length ? data.times[data.times.length - 1] + step : Date.now() / 1000;
      // A young console shows what there is, from a minute on, and not an empty day.
      const begin = data.times.length ? Math.min(data.times[0], end - 60) : end - span;
      chart.setScale("x", { min: Math.max(begin, end - span), max: end });
      legend(id, chart.cursor.idx);
    }
  }

  function take(stretch) {
    const fresh = stretch.times[0];
    if (stretch.step !== step || !data.times.length) { data = { times: [], series: {} }; step = stretch.step; }
    let keep = data.times.length;
    while (known(fresh) && keep > 0 && data.times[keep - 1] >= fresh) keep--;
    const end = stretch.times.length ? stretch.times[stretch.times.length - 1] : 0;
    let drop = 0;
    while (drop < keep && data.times[drop] < end - span) drop++;
    data.times = data.times.slice(drop, keep).concat(stretch.times);
    for (const [name, three] of Object.entries(stretch.series)) {
      const before = data.series[name] || [[], [], []];
      data.series[name] = three.map((part, at) => before[at].slice(drop, keep).concat(part));
    }
  }

  function cell(text, kind) {
    const made = document.createElement("td");
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }
  function badge(text, kind) {
    const made = document.createElement("td"), inner = document.createElement("span");
    inner.className = `badge ${kind}`;
    inner.textContent = text;
    made.append(inner);
    return made;
  }
  // A breaker that is closed lets calls through: to whoever does not know the word it would say the opposite.
  const BREAKER = { closed: ["answers", "ok"], open: ["away", "error"], "half-open": ["tried again", "warning"] };
  function rows(id, lines, empty, width) {
    const body = byId(id);
    if (lines.length) { body.replaceChildren(...lines); return; }
    const line = document.createElement("tr"), only = cell(empty, "muted");
    only.colSpan = width;
    line.append(only);
    body.replaceChildren(line);
  }
  function row(...cells) { const line = document.createElement("tr"); line.append(...cells); return line; }
  function tables(answer) {
    rows("workers", answer.workers.map((one) => row(
      cell(one.name), badge(one.why ? `${one.state}: ${one.why}` : one.state, one.well ? "ok" : "error"),
      ...["queue", "database"].map((name) => one.breakers[name] ? badge(...BREAKER[one.breakers[name]] || [one.breakers[name], ""]) : cell("–")),
      cell(lasting(one.up_seconds), "num"), cell(known(one.loaded) ? one.loaded.toLocaleString("en") : "–", "num"))),
      "No worker's metrics are asked for. Set [http] listen for the workers, or name each with --worker URL.", 6);
    rows("troubles", answer.troubles.map((one) => row(
      cell(one.code, "code"), cell(one.what, "what"), cell(one.count.toLocaleString("en"), "num"), cell(clock(one.last)), cell(one.worker))),
      "None since this console was started.", 5);
    byId("elsewhere").textContent = Object.entries(answer.elsewhere).filter(([, why]) => why)
      .map(([name, why]) => `The ${name} cannot be asked: ${why}.`).join(" ");
  }
  function tiles(now) {
    const values = {
      loaded: figure(now.loaded ?? now.database_loaded), waiting: figure(now.queue_visible), oldest: lasting(now.oldest_seconds),
      latency: lasting(latest("batch_seconds_p95")), quarantined: figure(now.quarantined ?? now.database_quarantined),
      cost: figure(now.dollars_an_hour),
    };
    for (const [name, text] of Object.entries(values)) document.querySelector(`[data-tile="${name}"]`).textContent = text;
  }
  function latest(name) {
    const mean = (data.series[name] || [[], [], []])[1];
    for (let at = mean.length - 1; at >= 0; at--) if (known(mean[at])) return mean[at];
    return null;
  }
  function say(text, kind) {
    const of = byId("state");
    if (of.textContent !== text) of.textContent = text;
    of.className = `state ${kind}`;
  }
  function standing(answer) {
    const away = answer.workers.filter((one) => !one.well).length, all = answer.workers.length;
    if (!all) return ["No worker to ask", "warning"];
    return away ? [`${away} of ${all} ${all === 1 ? "worker" : "workers"} not well`, "error"]
      : [`${all} ${all === 1 ? "worker" : "workers"}, all well`, "ok"];
  }

  async function ask() {
    if (waiting || document.hidden) return;
    waiting = true;
    try {
      const asked = span, since = data.times.length ? data.times[data.times.length - 1] : 0;
      const got = await fetch(`/api/live?window=${asked}&since=${since}`, { headers: { Accept: "application/json" } });
      if (got.status === 401) { location.assign("/enter"); return; }
      if (!got.ok) throw new Error(String(got.status));
      const answer = await got.json();
      failures = 0;
      if (asked !== span) return;
      take(answer.stretch);
      if (charts.flow) draw(); else build();
      tiles(answer.now);
      tables(answer);
      say(...standing(answer));
      document.documentElement.dataset.live = String(answer.time);
    } catch (error) {
      if (++failures > 2) say("This console does not answer", "error");
    } finally { waiting = false; }
  }

  byId("windows").addEventListener("change", (event) => {
    span = Number(event.target.value);
    data = { times: [], series: {} };
    ask();
  });
  let resizing = 0;
  window.addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => charts.flow && build(), calm ? 0 : 120); });
  window.addEventListener("theme", () => charts.flow && build());
  document.addEventListener("visibilitychange", ask);
  ask();
  setInterval(ask, 1000);
})();
