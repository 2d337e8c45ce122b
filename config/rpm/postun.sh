# $1 is how many versions are left. After an upgrade the service restarts behind its socket, which stays open: who connects
# meanwhile waits, and is not refused.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload >/dev/null 2>&1 || :
    if [ "$1" -ge 1 ]; then
        systemctl try-restart pmm-buffer.service >/dev/null 2>&1 || :
    fi
fi
if [ "$1" -eq 0 ]; then
    echo "pmm-buffer: the queue stays in /var/lib/pmm-buffer, with what was not delivered; remove it by hand"
    if [ -d /var/lib/pmm-buffer-shim ]; then
        echo "pmm-buffer: so does what PMM handed over, with its credentials, in /var/lib/pmm-buffer-shim"
    fi
fi
exit 0
