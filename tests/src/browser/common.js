// Helpers of all scenarios. A scenario is a function `scenario(parameters)`, whose result the page sends back.
"use strict";

// Sends a request as web clients do: with XMLHttpRequest, so that the browser applies the rules for other origins.
function send(method, url, { body = null, type = null, binary = false, progress = null } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url, true);
    if (binary) request.responseType = "arraybuffer";
    if (type) request.setRequestHeader("Content-Type", type);
    request.timeout = 30000;
    request.onload = () => resolve(request);
    request.onerror = () => reject(new Error(`${method} ${url}: the browser did not let the page read the answer`));
    request.ontimeout = () => reject(new Error(`${method} ${url}: no answer`));
    if (progress) request.onprogress = progress;
    request.send(body);
  });
}

function check(condition, text) {
  if (!condition) throw new Error(text);
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function sha256(bytes) {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

window.addEventListener("load", async () => {
  const parameters = Object.fromEntries(new URLSearchParams(location.search));
  let result;
  try {
    result = { done: await scenario(parameters) };
  } catch (error) {
    result = { failed: String(error && error.stack ? error.stack : error) };
  }
  await send("POST", "/result", { body: JSON.stringify(result), type: "application/json" });
});
