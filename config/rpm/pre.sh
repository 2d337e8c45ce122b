# The files of the package are this user's, so it is there before them.
getent group pmm-buffer >/dev/null || groupadd -r pmm-buffer
getent passwd pmm-buffer >/dev/null || useradd -r -g pmm-buffer -d /var/lib/pmm-buffer -M -s /sbin/nologin \
    -c "Durable buffer for pushed metrics" pmm-buffer
exit 0
