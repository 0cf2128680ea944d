package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"castgate/server"
	"castgate/server/cluster"
	"castgate/server/control"
	"castgate/server/events"
)

// clustered is a gateway that is a node of a cluster.
type clustered struct {
	gateway
	node *cluster.Node
	link *cluster.Link
}

// newClustered joins a gateway to its cluster, nil if there is none. Nothing is sent
// before its node is started. refused gets an error if the node's number is taken.
func newClustered(e *effective, gw *server.Server, running gateway, queue *events.Events) (*clustered, <-chan error, error) {
	c := &e.cluster
	if !c.on() {
		return nil, nil, nil
	}
	link, err := cluster.OpenLink(c.link)
	if err != nil {
		return nil, nil, fmt.Errorf("cluster: %w", err)
	}
	refused := make(chan error, 1)
	began := time.Now()
	config := c.config()
	config.Node, config.Local, config.Names, config.Transport = e.server.Node, gw, c.names, link
	config.PeerAddress, config.Logger = e.server.PeerAddress, e.logger
	config.Duplicate = func(other string) {
		if time.Since(began) < startTime {
			refused <- errors.New("another gateway of this cluster has the same --node: " + other)
		}
	}
	node, err := cluster.New(config)
	if err != nil {
		link.Close()
		return nil, nil, err
	}
	e.control.Collectors = append(e.control.Collectors, node.Collector())
	if queue != nil {
		queue.Join(node)
	}
	return &clustered{running, node, link}, refused, nil
}

// joined tells whether the node has met the others; true without a cluster.
func (c *clustered) joined() bool { return c == nil || c.node.Joined() }

// start starts the node, and returns what runs then: running without a cluster.
func (c *clustered) start(ctl *control.Server, running gateway) gateway {
	if c == nil {
		return running
	}
	c.node.Start(ctl.Addr().String())
	return c
}

// newControl makes the control port of a gateway, or of its cluster, and binds it.
func newControl(e *effective, gw *server.Server, node *clustered, again *reloader) (*control.Server, error) {
	e.control.Version, e.control.Commit, e.control.Reload = version, builtCommit(), again.reload
	if e.admin.On() {
		e.control.Collectors = append(e.control.Collectors, &e.adminMetrics)
	}
	var all cluster.Local = gw
	if node != nil {
		all = node.node
	}
	e.control.Historian = all
	ctl, err := control.New(all, e.control)
	if err != nil {
		return nil, err
	}
	again.control = ctl
	return ctl, ctl.Listen()
}

// startTime is for how long a gateway whose number is taken ends; later it stays
// outside of the cluster and goes on serving its clients.
const startTime = 30 * time.Second

// config is the part of the node's configuration that is in the settings.
func (c *clusterConfig) config() cluster.Config {
	return cluster.Config{
		Instance: c.instance, Keys: c.keys, Lease: c.lease, Clock: cluster.Boottime, Release: version,
		Host: cluster.ThisProcess(), Ended: cluster.ProcessEnded,
	}
}

// Shutdown tells the other nodes first, so that nobody waits for this one.
func (c *clustered) Shutdown(ctx context.Context) error {
	c.node.Drain()
	err := c.gateway.Shutdown(ctx)
	c.leave()
	return err
}

// leave says goodbye to the other nodes.
func (c *clustered) leave() {
	c.node.Close()
	c.link.Close()
}
