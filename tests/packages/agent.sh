# shellcheck shell=bash
# The installed agent, run as the unit runs it: as its own user, with the configuration of the package.

agent=

# ask METHOD PATH [BODY]: prints the status of the answer. (`pmm-buffer status` fails while the upstream is away.)
ask() {
    local body=${3:-} status
    { exec 3<>/dev/tcp/127.0.0.1/9431; } 2>/dev/null || return 0
    printf '%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
        "$1" "$2" "${#body}" "$body" >&3
    read -r _ status _ <&3
    exec 3<&-
    echo "$status"
}

push() {
    ask POST /api/v1/import/prometheus 'from_the_package 1'
}

start_agent() {
    # There is no network here, and nothing to follow: what is pushed stays in the queue.
    setpriv --reuid pmm-buffer --regid pmm-buffer --clear-groups \
        /usr/bin/pmm-buffer run --config /etc/pmm-buffer/pmm-buffer.yml >/tmp/agent.log 2>&1 </dev/null &
    agent=$!
    local tries=0
    until [ "$(ask GET /ready)" = 200 ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ] || ! kill -0 "$agent" 2>/dev/null; then
            fail "the agent does not start: $(cat /tmp/agent.log)"
        fi
        sleep 0.1
    done
}

stop_agent() {
    kill -TERM "$agent"
    wait "$agent" || fail "the agent does not end well: $(cat /tmp/agent.log)"
}

# All but the agent's own metrics, which come each ten seconds, are what the tests pushed: those alone are not told apart here.
samples() {
    pmm-buffer queue inspect --json --data-dir /var/lib/pmm-buffer | python3 -c \
        'import json, sys; print(sum(segment["samples"] for segment in json.load(sys.stdin)["segments"]))'
}
