//! Codes that only a program meets which uses the library.

use super::{CodeExample, CodePage};

pub(super) const PAGES: &[CodePage] = &[
    CodePage {
        code: "closed",
        title: "the client is closed",
        means: "A method of a client was called after `close`. Nothing was done.",
        why: "A client that is closed has ended its threads, so that a program can end.",
        example: CodeExample::Words("`client.close().await`, then `client.get_task(id).await`"),
        remedy: "build another client, or close it later",
    },
    CodePage {
        code: "no-thread",
        title: "no thread to work in",
        means: "The system gives the client no thread for the operation. Nothing was done.",
        why: "Files are read and written in threads of the client's own, so that no async runtime waits for them.",
        example: CodeExample::Words("a program at the limit of its processes (`ulimit -u`)"),
        remedy: "end other threads or raise the limit, then call it again",
    },
    CodePage {
        code: "no-timer",
        title: "no runtime with a timer",
        means: "The call waits for a time and runs in no tokio runtime with a timer. Nothing was done.",
        why: "`operation_timeout`, `wait_task` and `monitor_workflow` sleep, which only such a runtime can.",
        example: CodeExample::Words("`Builder::operation_timeout` in a runtime that was built without `enable_time`"),
        remedy: "build the runtime with `enable_time` or `enable_all`",
    },
];
