package rabbit

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// dataMount is where a node's data folder is seen from inside its tree.
const dataMount = "/mnt"

// enter runs in the new namespaces, on the host's side of the chroot: it takes
// the tree ($1) and the data folder ($2), and becomes the rest of its arguments.
const enter = `set -e
tree=$1 data=$2
shift 2
mount --bind "$data" "$tree` + dataMount + `"
mount -t proc proc "$tree/proc"
exec chroot "$tree" "$@"`

// sandbox returns a command that runs inside tree as the first process of new
// PID and mount namespaces, with data mounted at dataMount, and with no more
// environment than env. Its process id is that of the command itself.
func sandbox(tree, data string, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", enter, "sh", tree, data, name}, args...)...)
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
	}, env...)
	// Out of the terminal's process group: ctrl-C is for the owner.
	attr := &syscall.SysProcAttr{
		Setpgid:      true,
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
	}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	cmd.SysProcAttr = attr
	return cmd
}

// launchSandbox is launch for a sandbox's command.
func launchSandbox(cmd *exec.Cmd) (*process, error) {
	p, err := launch(cmd)
	if err != nil {
		return nil, fmt.Errorf("a private RabbitMQ needs root, or user namespaces, on a kernel or container that allows mounts: %w", err)
	}
	return p, nil
}
