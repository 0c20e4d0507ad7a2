package sandbox

import "net/http"

// apiError is one error of the org. Rows name its code statusCode, entire answers name it errorCode.
type apiError struct {
	Code    string
	Message string
	Fields  []string
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// status is the HTTP status of an answer that consists of this error.
func (e *apiError) status() int {
	switch e.Code {
	case "NOT_FOUND", "ENTITY_IS_DELETED":
		return http.StatusNotFound
	case "INVALID_SESSION_ID", "INVALID_AUTH_HEADER":
		return http.StatusUnauthorized
	case "REQUEST_LIMIT_EXCEEDED", "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY", "API_CURRENTLY_DISABLED",
		"API_DISABLED_FOR_ORG":
		return http.StatusForbidden
	case "METHOD_NOT_ALLOWED":
		return http.StatusMethodNotAllowed
	case "NOT_ACCEPTABLE":
		return http.StatusNotAcceptable
	case "UNSUPPORTED_MEDIA_TYPE":
		return http.StatusUnsupportedMediaType
	case "UNSUPPORTED_API_VERSION":
		return http.StatusGone
	case "PRECONDITION_FAILED":
		return http.StatusPreconditionFailed
	case "UNKNOWN_EXCEPTION", "INTERNAL_ERROR":
		return http.StatusInternalServerError
	case "SERVER_UNAVAILABLE", "ORG_IN_MAINTENANCE":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

func (e *apiError) appendJSON(out []byte, codeName string) []byte {
	out = append(out, `{"`...)
	out = append(out, codeName...)
	out = append(out, `":`...)
	out = appendString(out, e.Code)
	out = append(out, `,"message":`...)
	out = appendString(out, e.Message)
	if len(e.Fields) > 0 || codeName == "statusCode" {
		out = append(out, `,"fields":[`...)
		for i, f := range e.Fields {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendString(out, f)
		}
		out = append(out, ']')
	}
	return append(out, '}')
}

func appendErrors(out []byte, errs []*apiError, codeName string) []byte {
	out = append(out, '[')
	for i, e := range errs {
		if i > 0 {
			out = append(out, ',')
		}
		out = e.appendJSON(out, codeName)
	}
	return append(out, ']')
}
