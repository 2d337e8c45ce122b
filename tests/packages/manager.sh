#!/usr/bin/env bash
# A stand-in for systemctl and deb-systemd-invoke: starts, restarts and stops pmm-buffer and pmm-agent as their units would, and
# writes down what it was asked. /tmp/client.base says where PMM Client is.
set -euo pipefail
. /tmp/tests/say.sh
. /tmp/tests/agent.sh
. /tmp/tests/client.sh
echo "$(basename "$0") $*" >>/tmp/asked
base=$(cat /tmp/client.base 2>/dev/null || echo /nowhere)
yaml=$base/config/pmm-agent.yaml

case "$(basename "$0") $*" in
    *"restart pmm-agent.service")
        [ ! -e /tmp/manager.fails ] || { echo "Failed to restart pmm-agent.service: Unit not found." >&2; exit 5; }
        stop_client
        start_client
        ;;
    *"restart pmm-buffer.service" | *"enable --now pmm-buffer")
        end /tmp/agent.pid
        start_agent
        echo "$agent" >/tmp/agent.pid
        ;;
    *"stop pmm-buffer.socket pmm-buffer.service") end /tmp/agent.pid ;;
esac
