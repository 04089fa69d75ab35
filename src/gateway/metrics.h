#pragma once
// What the public surface counts. One set for all Gateways of a process.

#include "base/metrics.h"

namespace perdure {

struct GatewayMetrics {
  explicit GatewayMetrics(Registry& registry)
      : registry(registry),
        requests{&registry.counter("perdure_http_requests_total", "Requests answered, by class of status.",
                                   "status=\"2xx\""),
                 &registry.counter("perdure_http_requests_total", "", "status=\"4xx\""),
                 &registry.counter("perdure_http_requests_total", "", "status=\"5xx\""),
                 &registry.counter("perdure_http_requests_total", "", "status=\"cut\"")},
        in_flight(registry.gauge("perdure_http_requests_in_flight", "Requests being answered.")),
        relayed(registry.counter("perdure_relayed_total",
                                 "Requests passed on as they were, to a supplier of their dialect.")),
        rate_limited(registry.counter("perdure_rate_limited_total",
                                      "Requests refused for a limit of their API key to requests or tokens.")),
        streams(registry.gauge("perdure_streams_open", "Event streams being sent.")),
        websockets(registry.gauge("perdure_websockets_open", "WebSockets of /v1/responses that are open.")),
        events(registry.counter("perdure_stream_events_total", "Events sent on streams.")),
        seconds(
            registry.histogram("perdure_http_request_seconds", "From a request's last byte to its reply's last byte.")),
        first_byte_seconds(registry.histogram("perdure_stream_first_event_seconds",
                                              "From a request's last byte to its stream's first event.")) {}

  Registry& registry;
  Counter* requests[4];  // 2xx, 4xx, 5xx, cut
  Gauge& in_flight;
  Counter& relayed;
  Counter& rate_limited;
  Gauge& streams;
  Gauge& websockets;
  Counter& events;
  Histogram& seconds;
  Histogram& first_byte_seconds;
};

}  // namespace perdure
