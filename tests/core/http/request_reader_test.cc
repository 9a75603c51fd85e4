// Requests as RFC 9112 and 9110 allow them, and what is refused: each row is one message, read whole and in pieces of
// every size.
#include <cstring>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/http/request_reader.h"

namespace manta::http {
namespace {

using ::testing::HasSubstr;

constexpr RequestReader::Limits kLimits{.head_bytes = 16 << 10, .body_bytes = 1 << 20};

struct Read {
  int status = 0;  // 0: more bytes are needed; 200: taken
  std::string why, method, path, query, body, rest;
  bool keep_alive = false;
  bool operator==(const Read&) const = default;
};

Read read(const std::string& bytes, std::size_t piece, RequestReader::Limits limits = kLimits) {
  RequestReader reader(limits);
  std::size_t used = 0;
  for (std::size_t at = 0; at < bytes.size() && !reader.done() && !reader.refused(); at = used) {
    const std::size_t n = reader.take(std::string_view(bytes).substr(at, piece));
    used += n;
    if (n == 0) break;
  }
  if (reader.refused()) return {.status = reader.refusal().status, .why = reader.refusal().why};
  if (!reader.done()) return {};
  const RequestHead& head = reader.head();
  return {200, "", head.method, head.path, head.query, reader.body(), bytes.substr(used), head.keep_alive};
}

Read read(const std::string& bytes) { return read(bytes, bytes.size()); }

std::string get(const std::string& target, const std::string& fields = "Host: x\r\n",
                const std::string& version = "HTTP/1.1") {
  return "GET " + target + " " + version + "\r\n" + fields + "\r\n";
}
std::string post(const std::string& fields, const std::string& body = "") {
  return "POST /echo HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + body;
}
std::string chunked(const std::string& body) { return post("Transfer-Encoding: chunked\r\n", body); }

struct Row {
  std::string bytes;
  int status;
  std::string section;  // of RFC 9112, or of RFC 9110 with a 9110 before it
};

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {get("/"), 200, "3"},
      {"\r\n" + get("/"), 200, "2.2"},
      {"\n" + get("/"), 400, "2.2"},
      {std::string("GET / HTTP/1.1\nHost: x\r\n\r\n"), 400, "2.2"},
      {std::string("GET / HTTP/1.1\r\nHost: x\n\n"), 400, "2.2"},
      {std::string("GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"), 400, "2.2"},
      {std::string("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 35), 400, "9110 5.5"},
      {get("/", "Host: x\r\nA: b\x01\r\n"), 400, "9110 5.5"},
      {get("/", "Host: x\r\nA: b\x7f\r\n"), 400, "9110 5.5"},
      {get("/", "Host: x\r\nA: b\tc \xc3\xa9\r\n"), 200, "9110 5.5"},
      {get("/", "Host: x\r\nA:\r\n"), 200, "5"},
      {get("/", " Host: x\r\n"), 400, "2.2"},
      {get("/", "Host: x\r\nA: b\r\n c\r\n"), 400, "5.2"},
      {get("/", "Host: x\r\nA : b\r\n"), 400, "5.1"},
      {get("/", "Host: x\r\n: b\r\n"), 400, "5.1"},
      {get("/", "Host: x\r\nA\r\n"), 400, "5"},
      {get("/", "Host: x\r\nA(: b\r\n"), 400, "9110 5.1"},
      {get("/", "Host: x\r\n\xc3\xa9: b\r\n"), 400, "9110 5.1"},
      {get("/", "Host: x\r\n", "HTTP/1.0"), 200, "2.3"},
      {get("/", "", "HTTP/1.0"), 200, "3.2"},
      {get("/", "Host: x\r\n", "HTTP/1.7"), 200, "2.3"},
      {get("/", "Host: x\r\n", "HTTP/2.0"), 505, "9110 15.6.6"},
      {get("/", "Host: x\r\n", "http/1.1"), 400, "2.3"},
      {get("/", "Host: x\r\n", "HTTP/1.10"), 400, "2.3"},
      {get("/", "Host: x\r\n", "HTTP/1.1 "), 400, "3"},
      {"GET /\r\n\r\n", 400, "3"},
      {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "3"},
      {"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "3"},
      {" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "3"},
      {"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "3.1"},
      {std::string("\x16\x03\x01\x02\x00\x01\x00\xfc", 8), 400, "3"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "9110 15.6.6"},
      {get("/", ""), 400, "3.2"},
      {get("/", "Host: x\r\nHost: x\r\n"), 400, "3.2"},
      {get("/", "Host: x\r\nHost: x\r\n", "HTTP/1.0"), 400, "3.2"},
      {get("/", "Host: a b\r\n"), 400, "3.2"},
      {get("/", "Host: a,b\r\n"), 200, "9110 7.2"},  // a reg-name may have a comma
      {get("/", "Host: a/b\r\n"), 400, "3.2"},
      {get("/", "Host: u@x\r\n"), 400, "3.2"},
      {get("/", "Host: x:y\r\n"), 400, "3.2"},
      {get("/", "Host: [::1]:80\r\n"), 200, "9110 7.2"},
      {get("/", "Host: [::1\r\n"), 400, "3.2"},
      {get("/", "Host:\r\n"), 200, "3.2"},
      {get("http://x/echo", "Host: other\r\n"), 200, "3.2.2"},
      {get("HTTP://x:80/echo?q", "Host: other\r\n"), 200, "3.2.2"},
      {get("http://x"), 200, "3.2.2"},
      {get("http://x/echo", ""), 400, "3.2"},
      {get("http:///echo"), 400, "9110 4.2.1"},
      {get("http://u:p@x/echo"), 400, "9110 4.2.4"},
      {get("ftp://x/echo"), 400, "3.2"},
      {get("echo"), 400, "3.2"},
      {get("*"), 400, "3.2.4"},
      {get("x:80"), 400, "3.2.3"},
      {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 200, "3.2.4"},
      {"OPTIONS http://x HTTP/1.1\r\nHost: x\r\n\r\n", 200, "3.2.4"},
      {"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 200, "3.2.3"},
      {"CONNECT /x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "3.2.3"},
      {get("/a b"), 400, "3.2"},
      {get("/a%zz"), 400, "9110 4.1"},
      {get("/a%"), 400, "9110 4.1"},
      {get("/a%00"), 400, "9110 4.1"},
      {get("/a%0a"), 400, "9110 4.1"},
      {get("/a#b"), 400, "3.2"},
      {get("/a<b"), 400, "3.2"},
      {get("/a?b=\"c\""), 400, "3.2"},
      {get("/a?b[0]=c|d"), 200, "3.2"},  // as browsers send it
      {get("/\xc3\xa9"), 400, "3.2"},
      {get("/" + std::string(8000, 'a')), 200, "3"},
      {get("/" + std::string(9000, 'a')), 414, "3"},
      {get("/", "Host: x\r\nA: " + std::string(20'000, 'a') + "\r\n"), 431, "9110 15.5"},
      {post("Content-Length: 3\r\n", "abc"), 200, "6.2"},
      {post("Content-Length: 003\r\n", "abc"), 200, "9110 8.6"},
      {post("Content-Length: \r\n", "abc"), 400, "6.3"},
      {post("Content-Length: 3, 3\r\n", "abc"), 400, "6.3"},
      {post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400, "9110 8.6"},
      {post("Content-Length: 3\r\nContent-Length: 4\r\n", "abc"), 400, "6.3"},
      {post("Content-Length: +3\r\n", "abc"), 400, "6.3"},
      {post("Content-Length: -3\r\n", "abc"), 400, "6.3"},
      {post("Content-Length: 0x3\r\n", "abc"), 400, "6.3"},
      {post("Content-Length: 3 \t\r\n", "abc"), 200, "5"},
      {post("Content-Length: 3 3\r\n", "abc"), 400, "6.3"},
      {post("Content-Length: 3;\r\n", "abc"), 400, "6.3"},
      {post("Content-Length : 3\r\n", "abc"), 400, "5.1"},
      {post("Content_Length: 3\r\n"), 200, "5"},
      {post("Content-Length: 99999999999999999999999999\r\n", "abc"), 413, "9110 15.5.14"},
      {post("Content-Length: 9999999\r\n", "abc"), 413, "9110 15.5.14"},
      {chunked("3\r\nabc\r\n0\r\n\r\n"), 200, "7.1"},
      {post("Transfer-Encoding: Chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), 200, "7"},
      {post("Transfer-Encoding:\tchunked \r\n", "3\r\nabc\r\n0\r\n\r\n"), 200, "5"},
      {post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"), 400, "6.1"},
      {post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, "6.1"},
      {post("Content-Length: 3\r\nTransfer-Encoding: identity\r\n", "abc"), 400, "6.1"},
      {post("Transfer-Encoding: identity\r\n", "abc"), 400, "6.3"},
      {post("Transfer-Encoding: gzip\r\n", "abc"), 400, "6.3"},
      {post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501, "6.1"},
      {post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 400, "6.3"},
      {post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400, "6.1"},
      {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, "6.1"},
      {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), 400, "6.3"},
      {post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400, "6.3"},
      {post("Transfer-Encoding: chunked;a=b\r\n", "0\r\n\r\n"), 400, "7"},
      {post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 400, "7"},
      {post("Transfer-Encoding: chunked\v\r\n", "0\r\n\r\n"), 400, "9110 5.5"},
      {post("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n"), 400, "9110 5.6.1"},
      {post("Transfer-Encoding:\r\n", "0\r\n\r\n"), 400, "6.3"},
      {post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400, "5.1"},
      {post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400, "5.2"},
      {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "6.1"},
      {chunked("0003\r\nabc\r\n000\r\n\r\n"), 200, "7.1"},
      {chunked("3;a=b;c=\"d\\\"e\";f\r\nabc\r\n0;x\r\n\r\n"), 200, "7.1.1"},
      {chunked("3 ; a = b\r\nabc\r\n0\r\n\r\n"), 200, "7.1.1"},
      {chunked("3;\r\nabc\r\n0\r\n\r\n"), 400, "7.1.1"},
      {chunked("3;a=\"b\r\nabc\r\n0\r\n\r\n"), 400, "7.1.1"},
      {chunked("3 \r\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked(" 3\r\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("0x3\r\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("+3\r\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("-3\r\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("\r\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("g\r\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("3\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("3\r\nabc\n0\r\n\r\n"), 400, "7.1"},
      {chunked("3\r\nabcd\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("3\r\nab\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("3\r\r\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("10000000000000003\r\nabc\r\n0\r\n\r\n"), 400, "7.1"},
      {chunked("ffffffffffffffff\r\nabc"), 413, "7.1"},
      {chunked("3;a=" + std::string(20'000, 'b') + "\r\nabc\r\n0\r\n\r\n"), 400, "7.1.1"},
      {chunked("0\r\nA: b\r\nC: d\r\n\r\n"), 200, "7.1.2"},
      {chunked("0\r\nContent-Length: 5\r\nHost: y\r\n\r\n"), 200, "9110 6.5.1"},
      {chunked("0\r\nA : b\r\n\r\n"), 400, "7.1.2"},
      {chunked("0\r\nA: b\r\n c\r\n\r\n"), 400, "5.2"},
      {chunked("0\r\nA: b\n\r\n"), 400, "2.2"},
      {chunked("0\r\nA: " + std::string(20'000, 'a') + "\r\n\r\n"), 431, "7.1.2"},
      {get("/", "Host: x\r\nExpect: 100-Continue\r\n"), 200, "9110 10.1.1"},
      {get("/", "Host: x\r\nExpect: a-miracle\r\n"), 417, "9110 10.1.1"},
      {get("/", "Host: x\r\nExpect: a-miracle\r\n", "HTTP/1.0"), 200, "9110 10.1.1"},
  };
  return all;
}

TEST(RequestReader, TakesAndRefusesAsTheRfcSays) {
  for (const Row& row : rows()) {
    const Read whole = read(row.bytes);
    EXPECT_EQ(whole.status, row.status) << "section " << row.section << ": " << whole.why << "\n"
                                        << row.bytes.substr(0, 300);
  }
}

TEST(RequestReader, HowBytesAreCutChangesNothing) {
  for (const Row& row : rows()) {
    const Read whole = read(row.bytes);
    for (const std::size_t piece : {1, 2, 3, 5, 7, 1000}) {
      Read cut = read(row.bytes, piece);
      cut.why = whole.why;
      EXPECT_EQ(cut.status, whole.status) << piece << "\n" << row.bytes.substr(0, 300);
      EXPECT_TRUE(cut == whole) << piece << "\n" << row.bytes.substr(0, 300);
    }
  }
}

TEST(RequestReader, WhatIsReadIsWhatWasSent) {
  const Read absolute = read(get("http://x/%65c%68o/./../a%2Fb//c?d=%20&e=/?"));
  EXPECT_EQ(absolute.path, "/a%2Fb/c");
  EXPECT_EQ(absolute.query, "d=%20&e=/?");
  EXPECT_EQ(read(get("/../..")).path, "/");
  EXPECT_EQ(read(get("/%2e%2E/echo")).path, "/echo");
  EXPECT_EQ(read(get("http://x?q")).path, "/");
  EXPECT_EQ(read(chunked("3;a\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET")).body, "abc0123456789");
  EXPECT_EQ(read(chunked("0\r\n\r\nGET /next")).rest, "GET /next");
  EXPECT_EQ(read(post("Content-Length: 3\r\n", "abcGET /next")).rest, "GET /next");
  EXPECT_EQ(read(get("/") + "GET /next").rest, "GET /next");
}

TEST(RequestReader, ConnectionsStayAsTheRfcSays) {  // 9.3
  EXPECT_TRUE(read(get("/")).keep_alive);
  EXPECT_FALSE(read(get("/", "Host: x\r\nConnection: close\r\n")).keep_alive);
  EXPECT_FALSE(read(get("/", "Host: x\r\nConnection: te\r\nConnection: foo ,CLOSE\r\n")).keep_alive);
  EXPECT_FALSE(read(get("/", "Host: x\r\nConnection: keep-alive, close\r\n")).keep_alive);
  EXPECT_FALSE(read(get("/", "", "HTTP/1.0")).keep_alive);
  EXPECT_TRUE(read(get("/", "Connection: Keep-Alive\r\n", "HTTP/1.0")).keep_alive);
}

TEST(RequestReader, NothingGrowsBeyondItsLimit) {
  // Chunks of one byte with extensions, and trailers, of which none is long: their sum is what counts.
  std::string bytes = chunked("");
  for (int i = 0; i < 10'000; ++i) bytes += "1;abcdefgh=ijklmnop\r\nx\r\n";
  EXPECT_EQ(read(bytes).status, 400);
  std::string trailers = chunked("0\r\n");
  for (int i = 0; i < 10'000; ++i) trailers += "abcdefgh: ijklmnop\r\n";
  EXPECT_EQ(read(trailers).status, 431);
  std::string fields = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 10'000; ++i) fields += "a: b\r\n";
  EXPECT_EQ(read(fields).status, 431);
  std::string large = chunked("");
  for (int i = 0; i < 1100; ++i) large += "400\r\n" + std::string(1024, 'x') + "\r\n";
  EXPECT_EQ(read(large).status, 413);
  std::string empty;
  for (int i = 0; i < 100; ++i) empty += "\r\n";
  EXPECT_EQ(read(empty).status, 400);
  EXPECT_EQ(read(get("/"), 1, {.head_bytes = 10, .body_bytes = 0}).status, 414);
}

// Mutations of good and bad messages: however they are cut the same comes out, and a body is never longer than was
// sent.
TEST(RequestReader, MutatedMessages) {
  std::mt19937 random(20);
  const std::string pieces[] = {"\r\n",
                                "\n",
                                "\r",
                                " ",
                                "\t",
                                ":",
                                ",",
                                "0",
                                "chunked",
                                "Transfer-Encoding: chunked\r\n",
                                "Content-Length: 5\r\n",
                                "\r\n\r\n",
                                std::string(1, '\0'),
                                ";",
                                "\"",
                                "%",
                                "/",
                                "http://"};
  for (int i = 0; i < 30'000; ++i) {
    std::string bytes = rows()[random() % rows().size()].bytes;
    if (bytes.size() > 2000) continue;
    for (int changes = 1 + static_cast<int>(random() % 3); changes > 0; --changes) {
      const std::size_t at = random() % (bytes.size() + 1);
      switch (random() % 4) {
        case 0:
          bytes.insert(at, pieces[random() % std::size(pieces)]);
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        case 2:
          if (at < bytes.size()) bytes[at] = static_cast<char>(random());
          break;
        default:
          bytes.insert(at, rows()[random() % rows().size()].bytes.substr(0, random() % 50));
          break;
      }
      if (bytes.empty()) bytes = "x";
    }
    const Read whole = read(bytes);
    for (const std::size_t piece : {std::size_t{1}, 1 + random() % 40}) {
      Read cut = read(bytes, piece);
      cut.why = whole.why;
      ASSERT_EQ(cut.status, whole.status) << whole.why << "\n" << ::testing::PrintToString(bytes);
      ASSERT_TRUE(cut == whole) << ::testing::PrintToString(bytes);
    }
    if (whole.status == 200) {
      ASSERT_LE(whole.body.size() + whole.rest.size(), bytes.size());
      ASSERT_TRUE(whole.path.empty() || whole.path == "*" || whole.path.front() == '/');
    }
  }
}

}  // namespace
}  // namespace manta::http
