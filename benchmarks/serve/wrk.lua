-- Bodies in turn, one a line of the file; figures as one line of JSON. No `response` function: wrk then reads no bodies.
local requests, at = {}, 0

function init(args)
  local headers = { ["Content-Type"] = "application/json" }
  if args[2] and args[2] ~= "" then headers["Authorization"] = "Bearer " .. args[2] end
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, line)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    '\nFIGURES {"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p90_ms": %.4f, "p99_ms": %.4f, "mean_ms": %.4f, ' ..
    '"max_ms": %.4f, "failed": %d, "bad_status": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, latency.mean / 1e3, latency.max / 1e3,
    e.connect + e.read + e.write + e.timeout, e.status))
end
