# $1 is how many versions will be installed. Units are enabled as the distribution's presets say, which is: not until the
# administrator does it.
systemd-tmpfiles --create pmm-buffer.conf >/dev/null 2>&1 || :
if [ -x /usr/bin/systemctl ]; then
    if [ "$1" -eq 1 ]; then
        systemctl --no-reload preset pmm-buffer.socket pmm-buffer.service >/dev/null 2>&1 || :
        echo "pmm-buffer: systemctl enable --now pmm-buffer, then, with PMM Client here: pmm-buffer pmm-agent install --restart"
        echo "pmm-buffer: else set \`url\` in /etc/pmm-buffer/pmm-buffer.yml, then: systemctl enable --now pmm-buffer"
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload >/dev/null 2>&1 || :
    fi
fi
exit 0
