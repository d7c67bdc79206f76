/* routes.c - the table of routes (route.h). */
#include "api/assets.h"
#include "api/health.h"
#include "api/letters.h"
#include "api/lookup.h"
#include "api/metrics.h"
#include "api/operate.h"
#include "api/overview.h"
#include "api/provider_stats.h"
#include "api/pulse.h"
#include "api/resend.h"
#include "api/route.h"
#include "api/send.h"
#include "api/session.h"
#include "api/switches.h"
#include "api/workers.h"

const struct route route_table[] = {
	{"POST", "/api/email/send", SCOPE_SEND, send_run},
	{"POST", "/api/email/bulk-send", SCOPE_SEND, send_run_bulk},
	{"GET", "/api/email/status/*", SCOPE_READ, lookup_run},
	{"POST", "/api/email/resend/*", SCOPE_SEND, resend_run},
	{"DELETE", "/api/email/*", SCOPE_SEND, operate_cancel},
	{"GET", "/api/email/queue/status", SCOPE_READ, overview_queues},
	{"GET", "/health", SCOPE_NONE, overview_health},
	{"GET", "/health/detailed", SCOPE_READ, overview_detailed},
	{"GET", "/circuit-breakers", SCOPE_READ, overview_breakers},
	{"POST", "/circuit-breakers/reset", SCOPE_ADMIN, operate_reset},
	{"GET", "/providers/stats", SCOPE_READ, provider_stats_run},
	{"GET", "/api/live", SCOPE_READ, pulse_run},
	{"GET", "/api/workers", SCOPE_READ, workers_run},
	{"GET", "/api/dead-letters", SCOPE_READ, letters_list},
	{"GET", "/api/dead-letters/*", SCOPE_READ, letters_show},
	{"POST", "/api/dead-letters/retry", SCOPE_ADMIN, letters_retry},
	{"POST", "/api/dead-letters/drop", SCOPE_ADMIN, letters_drop},
	{"POST", "/api/queues/pause", SCOPE_ADMIN, switches_pause_queue},
	{"POST", "/api/queues/resume", SCOPE_ADMIN, switches_resume_queue},
	{"POST", "/api/providers/pause", SCOPE_ADMIN, switches_pause_provider},
	{"POST", "/api/providers/resume", SCOPE_ADMIN, switches_resume_provider},
	{"POST", "/api/providers/weight", SCOPE_ADMIN, switches_weight},
	{"GET", "/metrics", SCOPE_READ, metrics_run},
	{"GET", "/livez", SCOPE_NONE, health_live},
	{"GET", "/readyz", SCOPE_NONE, health_ready},
	{"GET", "/api/session", SCOPE_NONE, session_show},
	{"POST", "/api/session", SCOPE_NONE, session_open},
	{"DELETE", "/api/session", SCOPE_NONE, session_close},
	{"GET", "/web/*", SCOPE_NONE, assets_run},
	{"GET", "/openapi.json", SCOPE_NONE, assets_run},
	{"GET", "/", SCOPE_NONE, health_index},
};

const size_t route_n = sizeof(route_table) / sizeof(route_table[0]);
