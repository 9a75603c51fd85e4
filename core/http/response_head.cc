#include "core/http/response_head.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "core/http/grammar.h"

namespace manta::http {

namespace {

constexpr std::array<std::string_view, 8> kOfTheServer{
    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "content-length"};

struct Known {
  int status;
  std::string_view reason;
};
constexpr std::array<Known, 59> kReasons{{
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {510, "Not Extended"},
    {511, "Network Authentication Required"},
}};

std::string_view reason_of(int status) {
  const auto it =
      std::find_if(kReasons.begin(), kReasons.end(), [&](const Known& known) { return known.status == status; });
  return it == kReasons.end() ? std::string_view() : it->reason;
}

// RFC 9110, 5.6.7; made once a second.
std::string_view date() {
  thread_local std::time_t made = 0;
  thread_local std::array<char, 64> text{};
  thread_local std::size_t size = 0;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != made) {
    static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    made = now.tv_sec;
    const int n = std::snprintf(text.data(), text.size(), "%s, %02d %s %d %02d:%02d:%02d GMT",
                                kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                                kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                                utc.tm_min, utc.tm_sec);
    size = static_cast<std::size_t>(std::max(n, 0));
  }
  return {text.data(), size};
}

bool has(const Response& response, std::string_view name) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [&](const auto& each) { return iequals(each.first, name); });
}

void add(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

bool has_content(int status) { return status >= 200 && status != 204 && status != 304; }

std::optional<std::string> wrong_with(const Response& response) {
  int types = 0;
  for (const auto& header : response.headers) {
    const auto& name = header.first;
    const auto& value = header.second;
    if (!is_token(name)) return "a header's name is no token: only letters, digits and !#$%&'*+-.^_`|~ are allowed";
    if (!is_field_value(value)) return "the header " + name + " has a control character in its value, such as CR or LF";
    if (std::any_of(kOfTheServer.begin(), kOfTheServer.end(),
                    [&](std::string_view own) { return iequals(name, own); })) {
      return "the header " + name + " is the server's own to set";
    }
    types += iequals(name, "content-type");
  }
  if (types > 1) return "the header Content-Type is there twice";
  if (!is_field_value(response.content_type)) return "the content type has a control character, such as CR or LF";
  return std::nullopt;
}

std::string head_of(const Response& response, ResponseFraming framing) {
  std::string head;
  head.reserve(256);
  head.append("HTTP/1.1 ")
      .append(std::to_string(response.status))
      .append(" ")
      .append(reason_of(response.status))
      .append("\r\n");
  if (!has(response, "date")) add(head, "Date", date());
  const bool content = has_content(response.status);
  // A program's own header takes the place of content_type.
  if (content && !response.content_type.empty() && !has(response, "content-type"))
    add(head, "Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers) add(head, name, trimmed(value));
  if (content && framing.length == ResponseFraming::Length::known)
    add(head, "Content-Length", std::to_string(response.status == 205 ? 0 : response.body.size()));
  if (framing.length == ResponseFraming::Length::chunked) add(head, "Transfer-Encoding", "chunked");
  if (framing.close) {
    add(head, "Connection", "close");
  } else if (framing.keep_alive) {
    add(head, "Connection", "keep-alive");
  }
  return head.append("\r\n");
}

}  // namespace manta::http
