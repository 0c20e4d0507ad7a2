package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// repeatInterval is how long a repeated message is not logged again: while Redis is down, every part of
// Asynq logs it every few seconds.
const repeatInterval = time.Minute

// asynqLog writes Asynq's own messages to slog. They are about Redis, and about tasks by id; failures of
// jobs are logged by Server.
type asynqLog struct {
	log    *slog.Logger
	mu     sync.Mutex
	logged map[string]time.Time // time of the last message, by its beginning
}

func newAsynqLog(log *slog.Logger) *asynqLog {
	return &asynqLog{log: log, logged: map[string]time.Time{}}
}

func (l *asynqLog) Debug(args ...any) { l.write(slog.LevelDebug, args) }
func (l *asynqLog) Info(args ...any)  { l.write(slog.LevelDebug, args) } // such as "Starting processing"
func (l *asynqLog) Warn(args ...any)  { l.write(slog.LevelWarn, args) }
func (l *asynqLog) Error(args ...any) { l.write(slog.LevelWarn, args) } // Asynq tries again by itself
func (l *asynqLog) Fatal(args ...any) { l.write(slog.LevelError, args) }

func (l *asynqLog) write(level slog.Level, args []any) {
	detail := fmt.Sprint(args...)
	if level > slog.LevelDebug && l.repeated(detail) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "asynq", "detail", detail)
}

// repeated reports whether a message with the same beginning was logged within repeatInterval.
func (l *asynqLog) repeated(text string) bool {
	const beginning = 24
	key := text[:min(len(text), beginning)]
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.logged[key]) < repeatInterval {
		return true
	}
	l.logged[key] = now
	return false
}

// redisLog writes the Redis client's messages about its connections to slog. The caller of the client gets
// the error too.
type redisLog struct{ log *slog.Logger }

// Printf implements the Redis client's logger.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis", "detail", fmt.Sprintf(format, args...))
}
