// Pushes as programs in JavaScript do: `push.cjs URL...` sends the same to each URL by remote write.

const { pushTimeseries } = require("prometheus-remote-write");

const now = Date.now();
// The library sends labels in the order it is given, and does not name its encoding.
const timeseries = [
  {
    labels: { zone: "b", __name__: "client_js_requests_total", code: "200" },
    samples: [
      { value: 3, timestamp: now - 1000 },
      { value: 4.5, timestamp: now },
    ],
  },
  {
    labels: { __name__: "client_js_temperature", room: 'é "日本"\n' },
    samples: [{ value: -1e-9, timestamp: now }],
  },
];

async function main() {
  for (const url of process.argv.slice(2)) {
    const answer = await pushTimeseries(timeseries, { url, fetch, labels: { job: "js" } });
    if (answer.status !== 204) {
      throw new Error(`${url} answered ${answer.status}: ${answer.errorMessage}`);
    }
  }
}

main();
