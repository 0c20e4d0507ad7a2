package queue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// sameAgain is how long a complaint that was just made is not made again: while Redis is down every part of Asynq says so, every
// few seconds.
const sameAgain = time.Minute

// asynqLog hands what Asynq says of itself to slog. It speaks of tasks by id and of Redis; jobs' own failures are logged by Server.
type asynqLog struct {
	log  *slog.Logger
	mu   sync.Mutex
	said map[string]time.Time // by how it begins
}

func newAsynqLog(log *slog.Logger) *asynqLog {
	return &asynqLog{log: log, said: map[string]time.Time{}}
}

func (l *asynqLog) Debug(args ...any) { l.say(slog.LevelDebug, args) }
func (l *asynqLog) Info(args ...any)  { l.say(slog.LevelDebug, args) } // "Starting processing" is news to nobody
func (l *asynqLog) Warn(args ...any)  { l.say(slog.LevelWarn, args) }
func (l *asynqLog) Error(args ...any) { l.say(slog.LevelWarn, args) } // it tries again by itself
func (l *asynqLog) Fatal(args ...any) { l.say(slog.LevelError, args) }

func (l *asynqLog) say(level slog.Level, args []any) {
	detail := fmt.Sprint(args...)
	if level > slog.LevelDebug && l.again(detail) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "asynq", "detail", detail)
}

// again says whether something that begins like text was said within sameAgain.
func (l *asynqLog) again(text string) bool {
	const beginning = 24
	key := text[:min(len(text), beginning)]
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.said[key]) < sameAgain {
		return true
	}
	l.said[key] = now
	return false
}

// redisLog hands what the Redis client says of its connections to slog; whoever called it gets the error too.
type redisLog struct{ log *slog.Logger }

// Printf implements the Redis client's logger.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis", "detail", fmt.Sprintf(format, args...))
}
