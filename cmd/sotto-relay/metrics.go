package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// listenMetrics listens for Prometheus. The address must be one of this machine: how many
// people use a relay, and when, is nothing for the internet.
func listenMetrics(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("--metrics is an address of this machine like 127.0.0.1:9100: %w", errUsage)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for metrics: %w", err)
	}
	return l, nil
}

// serveMetrics answers with the metrics of the servers at /metrics until ctx is done; wait returns
// when that has ended.
func serveMetrics(ctx context.Context, l net.Listener, s *servers) (wait func()) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		if err := s.WriteMetrics(&b); err != nil {
			http.Error(w, "the metrics can't be written", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(b.Bytes())
	})
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 8 << 10}
	var work sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { server.Close() })
	work.Go(func() {
		defer stop()
		server.Serve(l)
	})
	return work.Wait
}
