// The calls of LibreMesh Chef of 2019, from its start to the download.
"use strict";

const JSON_TYPE = "application/json";

async function scenario({ server, distro, model, script, own }) {
  const read = async (path, type) => {
    const answer = await send("GET", server + path, { type });
    check(answer.status === 200, `${path}: ${answer.status} ${answer.responseText}`);
    return answer.responseText;
  };
  const all = JSON.parse(await read("/api/distributions"));
  const version = all[distro].latest;
  check(version in all[distro].versions, "latest is no version");
  const profiles = await read("/network-profiles/Packages");
  check(profiles.split("\n").some((line) => line.startsWith("Package: ")), "no network profile");
  check("total" in JSON.parse(await read("/api/v1/stats/image_stats")), "no total");

  const query = `distro=${distro}&version=${version}`;
  const search = encodeURIComponent(model.toLowerCase());
  const models = JSON.parse(await read(`/api/models?model_search=${search}&${query}`));
  const device = models.find((row) => row.model === model);
  check(device, `no model ${model} in ${JSON.stringify(models)}`);
  const [target, subtarget, profile] = `${device.target}/${device.profile}`.split("/");
  const packages = JSON.parse(
    await read(`/api/packages_image?${query}&target=${target}/${subtarget}&profile=${profile}`),
  );
  // `packages` is the complete set, so that what this list lacks is left out of the image.
  check(packages.includes(own), `${own} is not in ${packages}`);
  const request = {
    distro, version, target: `${target}/${subtarget}`, board: profile, profile, packages, defaults: script,
  };
  await refused(server, request);
  const states = [];
  const answer = await built(server, request, states);
  check(states.length > 0, "a new build was never waited for");

  const files = JSON.parse(await read(answer.files));
  const image = files.find((file) => file.name === answer.sysupgrade);
  check(image, `${answer.sysupgrade} is not in ${JSON.stringify(files)}`);
  const download = await send("GET", server + answer.files + image.name, { binary: true });
  check(download.status === 200, `download: ${download.status}`);
  const sums = await read(`${answer.files}sha256sums`);
  const digest = await sha256(download.response);
  check(sums.includes(digest), `the digest ${digest} is not in ${sums}`);
  await read(answer.log);
  const shown = JSON.parse(await read(`/api/image/${answer.image_hash}`));
  check(shown.model === model, `image: ${JSON.stringify(shown)}`);
  const manifest = JSON.parse(await read(`/api/manifest/${shown.manifest_hash}`));
  check("busybox" in manifest && own in manifest, `busybox and ${own} are not in the manifest`);
  return { states, version, image: image.name, bytes: download.response.byteLength, request: answer.request_hash };
}

// Refusals, whose headers the page must be allowed to read.
async function refused(server, request) {
  const post = (body) =>
    send("POST", `${server}/api/build-request`, { body: JSON.stringify(body), type: JSON_TYPE });
  const unknown = await post({ ...request, packages: ["no-such"] });
  check(unknown.status === 422, `unknown package: ${unknown.status}`);
  check(unknown.getResponseHeader("X-Unknown-Package") === "no-such", "X-Unknown-Package cannot be read");
  const missing = await post({ ...request, version: "" });
  check(missing.getResponseHeader("X-Missing-Param") === "version", "X-Missing-Param cannot be read");
  for (const [body, status] of [[{ ...request, board: "no,such" }, 412], [{ request_hash: "0" }, 404]]) {
    const answer = await post(body);
    check(answer.status === status && JSON.parse(answer.responseText).error, `${answer.status}, not ${status}`);
  }
}

async function built(server, request, states) {
  let answer = await send("POST", `${server}/api/build-request`, { body: JSON.stringify(request), type: JSON_TYPE });
  while (answer.status === 202) {
    const state = answer.getResponseHeader("X-Imagebuilder-Status");
    check(["queue", "initialize", "building"].includes(state), `state ${state}`);
    if (state !== "building") {
      check(Number(answer.getResponseHeader("X-Build-Queue-Position")) > 0, "no position can be read");
    }
    if (!states.includes(state)) states.push(state);
    await pause(500);
    const hash = JSON.parse(answer.responseText).request_hash;
    answer = await send("GET", `${server}/api/build-request/${hash}`, { type: JSON_TYPE });
  }
  check(answer.status === 200, `${answer.status} ${answer.responseText}`);
  return JSON.parse(answer.responseText);
}
