package main

import (
	"sync"

	"fyne.io/fyne/v2"
)

// privateApp is the toolkit's app without what it keeps in the person's configuration: its dialogs would leave there, outside of the data
// folder and in plaintext, which folder a file was taken from or put into last.
type privateApp struct {
	fyne.App
	preferences *memory
}

func newPrivateApp(app fyne.App) privateApp {
	return privateApp{app, &memory{Preferences: app.Preferences(), values: make(map[string]any)}}
}

// Preferences returns those that are forgotten when the program ends.
func (a privateApp) Preferences() fyne.Preferences { return a.preferences }

// memory keeps the texts and numbers that the dialogs set.
type memory struct {
	fyne.Preferences // nothing sets the other kinds

	mu     sync.Mutex
	values map[string]any
}

func (m *memory) SetString(key, value string)                    { m.set(key, value) }
func (m *memory) SetInt(key string, value int)                   { m.set(key, value) }
func (m *memory) String(key string) string                       { return valueOf(m, key, "") }
func (m *memory) Int(key string) int                             { return valueOf(m, key, 0) }
func (m *memory) IntWithFallback(key string, fallback int) int   { return valueOf(m, key, fallback) }
func (m *memory) StringWithFallback(key, fallback string) string { return valueOf(m, key, fallback) }

func (m *memory) RemoveValue(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
}

func (m *memory) set(key string, value any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = value
}

func valueOf[T any](m *memory, key string, fallback T) T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.values[key].(T); ok {
		return v
	}
	return fallback
}
