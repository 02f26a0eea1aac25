package rabbit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files in a node's data folder; inside its tree they are under dataMount.
const (
	cookieFile  = ".erlang.cookie"
	configFile  = "rabbitmq.conf"
	pluginsFile = "enabled_plugins"
	logFile     = "node.log"
)

// onLoopback keeps Erlang's distribution off all other addresses.
const onLoopback = "-kernel inet_dist_use_interface {127,0,0,1}"

// writeFiles writes what the node reads when it starts.
func (n *Node) writeFiles() error {
	plugins := ""
	if n.options.Stream {
		plugins = "rabbitmq_stream"
	}
	files := []struct {
		name, text string
		mode       os.FileMode
	}{
		{cookieFile, n.cluster.secret(), 0o400}, // Erlang refuses one that others can read
		{configFile, strings.Join(n.config(), "\n") + "\n", 0o644},
		{pluginsFile, "[" + plugins + "].\n", 0o644},
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(n.slot.dir, f.name), []byte(f.text), f.mode); err != nil {
			return err
		}
	}
	return nil
}

// config is the node's rabbitmq.conf, by lines.
func (n *Node) config() []string {
	lines := []string{
		"listeners.tcp.1 = " + n.Address(),
		// Without it the broker asks the DNS for its host when a client connects, which can take seconds on a machine without one.
		"cluster_name = weir-test",
	}
	if n.options.Stream {
		lines = append(lines,
			"stream.listeners.tcp.1 = "+n.StreamAddress(),
			// Clients connect to what the broker advertises.
			"stream.advertised_host = 127.0.0.1",
			fmt.Sprintf("stream.advertised_port = %d", n.slot.stream()),
		)
	}
	return slices.Concat(lines, n.cluster.config(), n.options.Config)
}

// env is the environment of everything that runs in the node's sandbox.
func (n *Node) env() []string {
	return []string{
		"HOME=" + dataMount, // where the cookie is
		"ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("ERL_EPMD_PORT=%d", n.cluster.first(n).slot.epmd()),
		"ERL_CRASH_DUMP_SECONDS=0", // none
		"RABBITMQ_NODENAME=" + n.Name(),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", n.slot.dist()),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=" + onLoopback,
		"RABBITMQ_CTL_ERL_ARGS=" + onLoopback,
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_CONFIG_FILE=" + dataMount + "/" + configFile,
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + dataMount + "/" + pluginsFile,
		"RABBITMQ_MNESIA_BASE=" + dataMount + "/mnesia",
		"RABBITMQ_LOG_BASE=" + dataMount,
		"RABBITMQ_LOGS=" + dataMount + "/" + logFile,
		// The script becomes the Erlang VM instead of a shell that waits for
		// it: so the sandbox's process is the VM, and signals reach it.
		"RUNNING_UNDER_SYSTEMD=true",
	}
}
