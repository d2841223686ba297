// What the scripts of the Node clients share. Run as `node openai.mjs CASE`: the case's name picks the function; what it throws is shown, and is
// the exit status. $OG_MODULES: the folder with node_modules.
import { createRequire } from "node:module";
import { join } from "node:path";

export const need = createRequire(join(process.env.OG_MODULES, "package.json"));
export const { OG_URL: url, OG_LOCKED_URL: lockedUrl } = process.env;
export const MODEL = "SmolLM2-135M";
export const STUB = "Stub-1B";

export async function run(cases) {
  const name = process.argv[2];
  if (!cases[name]) throw new Error(`no case '${name}'; there are: ${Object.keys(cases).join(" ")}`);
  await cases[name]();
}

// Waits until the stub engine says that the request with this text was aborted.
export async function aborted(having) {
  for (let end = Date.now() + 5000; Date.now() < end; ) {
    const log = await (await fetch(`${process.env.OG_STUB}/stub/log`)).json();
    const request = log.find((r) => JSON.stringify(r.body).includes(having));
    if (request?.aborted) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`the engine was not told to stop '${having}' within 5 s`);
}
