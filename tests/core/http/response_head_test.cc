// What goes out: framing that is right for each status, and nothing that a program's header could break it with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/http/response_head.h"

namespace manta::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ResponseHead, ContentIsAnnouncedWhereThereMayBeSome) {
  EXPECT_THAT(head_of({.body = "abc"}, {}), HasSubstr("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(head_of({.body = "abc"}, {}),
              HasSubstr("\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\n"));
  for (const int status : {204, 304}) {
    EXPECT_FALSE(has_content(status));
    EXPECT_THAT(head_of({.status = status, .body = "abc"}, {}), Not(HasSubstr("Content-")));
  }
  EXPECT_THAT(head_of({.status = 205, .body = "abc"}, {}), HasSubstr("Content-Length: 0\r\n"));
  EXPECT_THAT(head_of({.status = 599}, {}), HasSubstr("HTTP/1.1 599 \r\n"));
}

TEST(ResponseHead, TheConnectionsEndIsSaid) {
  EXPECT_THAT(head_of({}, {}), Not(HasSubstr("Connection")));
  EXPECT_THAT(head_of({}, {.close = true, .keep_alive = true}), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(head_of({}, {.keep_alive = true}), HasSubstr("\r\nConnection: keep-alive\r\n"));
}

TEST(ResponseHead, AProgramsContentTypeAndDateReplaceOurs) {
  const std::string head =
      head_of({.headers = {{"content-type", " image/png "}, {"DATE", "never"}, {"X-A", "1"}, {"X-A", "2"}}}, {});
  EXPECT_THAT(head, HasSubstr("\r\ncontent-type: image/png\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("text/plain")));
  EXPECT_THAT(head, Not(HasSubstr("GMT")));
  EXPECT_THAT(head, HasSubstr("\r\nX-A: 1\r\nX-A: 2\r\n"));
}

TEST(ResponseHead, WhatCannotBeSentIsNamed) {
  const auto wrong = [](std::string name, std::string value) {
    return wrong_with({.headers = {{std::move(name), std::move(value)}}});
  };
  for (const char* name : {"", "a b", "a:", "a\r\nb", "\xc3\xa9", "a\t"}) EXPECT_TRUE(wrong(name, "x")) << name;
  EXPECT_TRUE(wrong(std::string("a\0b", 3), "x"));
  for (const char* value : {"a\r\nb: c", "a\n", "\r", "\x01", "\x7f"})
    EXPECT_THAT(wrong("x-a", value).value_or(""), HasSubstr("x-a"));
  EXPECT_TRUE(wrong("a", std::string("x\0y", 3)));
  for (const char* name : {"Content-Length", "transfer-ENCODING", "Connection", "Keep-Alive", "TE", "Trailer",
                           "Upgrade", "Proxy-Connection"}) {
    EXPECT_THAT(wrong(name, "close").value_or(""), HasSubstr(name));
  }
  EXPECT_TRUE(wrong_with({.content_type = "text/plain\r\nX: y"}));
  EXPECT_TRUE(wrong_with({.headers = {{"Content-Type", "a/b"}, {"content-type", "c/d"}}}));
  EXPECT_EQ(
      wrong_with(
          {.headers = {{"Set-Cookie", "a=b"}, {"set-cookie", "\xc3\xa9 \t"}, {"Content-Type", "a/b"}, {"X", ""}}}),
      std::nullopt);
}

}  // namespace
}  // namespace manta::http
