package widget

import "time"

// lastInput is when a key, a click or the pointer reached one of the widgets. Like everything here it belongs to the main goroutine.
var lastInput = time.Now()

// touched notes that there was input.
func touched() { lastInput = time.Now() }

// LastInput returns when somebody last used the keyboard or the pointer on a widget of this package, or when the program began.
func LastInput() time.Time { return lastInput }
