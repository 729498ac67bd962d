-- For wrk: GETs the targets of a file (one a line, in turns), and prints latencies as a last line of JSON.
local targets = {}
local turn = 0

function init(args)
    for line in io.lines(args[1]) do
        targets[#targets + 1] = line
    end
end

function request()
    turn = turn % #targets + 1
    return wrk.format("GET", targets[turn])
end

function done(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    local figures = '{"requests":%d,"failed":%d,"seconds":%f,"p50_s":%f,"p90_s":%f,"p99_s":%f}\n'
    io.write(string.format(figures, summary.requests, failed, summary.duration / 1e6,
        latency:percentile(50) / 1e6, latency:percentile(90) / 1e6, latency:percentile(99) / 1e6))
end
