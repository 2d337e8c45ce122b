# $1 is how many versions are left: 0 is removal, 1 an upgrade.
if [ "$1" -eq 0 ]; then
    # pmm-agent must not be left with a program that is gone. While the service runs, so that vmagent can push the rest. Whatever
    # comes of it, the removal goes on; what is left to do was said.
    /usr/bin/pmm-buffer pmm-agent uninstall --for-removal ||
        echo "pmm-buffer: does not run: if pmm-agent.yaml has its pmm-buffer-vmagent as paths.vmagent, take that line out, then: systemctl restart pmm-agent" >&2
fi
if [ "$1" -eq 0 ] && [ -x /usr/bin/systemctl ]; then
    systemctl --no-reload disable pmm-buffer.socket pmm-buffer.service >/dev/null 2>&1 || :
    if [ -d /run/systemd/system ]; then
        # Together: the socket alone would start the service again.
        systemctl stop pmm-buffer.socket pmm-buffer.service >/dev/null 2>&1 || :
    fi
fi
exit 0
