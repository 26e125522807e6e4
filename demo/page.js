// The page: reads the settings, samples, and shows each patch.

import * as descriptions from "./description.js";
import * as memory from "./memory.js";
import { draw, frame, partial, save } from "./pictures.js";
import { load } from "./runtimes.js";
import { sample } from "./sampling.js";

const MODEL = "model/";
const element = (id) => document.getElementById(id);
const number = (id) => Number(element(id).value);
let stopped = false;

class Stopped extends Error {}

function state(name) {
  document.body.dataset.state = name;
  const busy = name !== "ready";
  for (const id of ["count", "steps", "label", "seed", "another", "generate"]) {
    element(id).disabled = busy;
  }
  element("generate").hidden = name === "sampling";
  element("stop").hidden = name !== "sampling";
  element("patch").hidden = name !== "sampling";
}

function fail(error) {
  element("message").textContent = error.message;
  state("error");
}

async function start() {
  const description = await descriptions.read(MODEL);
  const facts = await (await fetch("demo.json")).json();
  offer(description);
  const showMemory = () =>
    memory.show(memory.bytesOf(description, facts.activations, number("count")), element);
  element("count").addEventListener("change", showMemory);
  showMemory();
  const { calls, message } = await load(MODEL, description);
  element("message").textContent = message;
  element("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    generate(description, calls).catch(fail);
  });
  element("another").addEventListener("click", () => {
    element("seed").value = Math.floor(Math.random() * 1e6);
  });
  element("stop").addEventListener("click", () => (stopped = true));
  element("save").addEventListener("click", () =>
    save(element("image"), `patchdpm_seed${number("seed")}.png`).catch(fail),
  );
  state("ready");
}

// Fills the lists of what can be chosen.
function offer(description) {
  const add = (id, value, text) => element(id).add(new Option(text, value));
  for (const [k, { n, shape }] of description.stages.entries()) {
    const patches = n === null ? "" : `n = ${n}, `;
    add("count", k + 1, `${patches}${shape[1]} × ${shape[0]} pixels`);
  }
  element("count").value = Math.min(2, description.stages.length);
  // Browsers sort such keys: the default of the export is not known here.
  for (const steps of Object.keys(description.steps)) add("steps", steps, steps);
  element("steps").selectedIndex = element("steps").length - 1;
  if (description.num_classes !== null) {
    const guided = description.guidance && description.guidance.label !== null;
    if (!guided) add("label", "", "any");
    for (let k = 0; k < description.num_classes; k++) add("label", k, k);
    element("label-field").hidden = false;
  }
  if (description.licence) {
    element("licence").textContent = `Licence of the weights: ${description.licence}.`;
  }
}

async function generate(description, calls) {
  stopped = false;
  element("save").disabled = true;
  state("sampling");
  const [count, steps] = [number("count"), number("steps")];
  const label = element("label").value === "" ? null : number("label");
  const begin = performance.now();
  let shown = null;
  const progress = async (facts) => {
    if (stopped) throw new Stopped();
    shown = partial(facts, shown);
    draw(facts.stage.finish(shown.picture), element("image"));
    frame(element("patch"), facts);
    showProgress(facts, count, steps);
    await new Promise((resolve) => setTimeout(resolve)); // The browser paints.
  };
  try {
    const settings = { count, steps, seed: number("seed"), label, progress };
    draw(await sample(description, calls, settings), element("image"));
    const seconds = (performance.now() - begin) / 1000;
    element("status").textContent = `Generated in ${seconds.toFixed(1)} s.`;
    element("progress").value = 1;
    element("save").disabled = false;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    element("status").textContent = "Stopped.";
  }
  state("ready");
}

function showProgress({ stage, tile, tiles }, count, steps) {
  const done = (stage.step - 1 + (tile + 1) / tiles.length) / steps;
  element("progress").value = (stage.number + done) / count;
  element("status").textContent =
    `Stage ${stage.number + 1} of ${count}, step ${stage.step} of ${steps}, ` +
    `patch ${tile + 1} of ${tiles.length}`;
}

start().catch(fail);
