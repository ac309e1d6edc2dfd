# R's glmnet as a contestant: Rscript benchmarks/glmnet.R CORES FOLDER. Requests and replies are those of worker.py.
#
# thresh is glmnet's tolerance: the progress of a sweep over the coordinates as a share of the null deviance.

arguments <- commandArgs(TRUE)
cores <- as.integer(arguments[1])
folder <- arguments[2]
say <- function(...) { cat(..., "\n"); flush(stdout()) }

start <- proc.time()[["elapsed"]]
loaded <- suppressPackageStartupMessages(require("glmnet", quietly = TRUE, warn.conflicts = FALSE))
imported <- proc.time()[["elapsed"]] - start

sizes <- scan(file.path(folder, "sizes"), quiet = TRUE)  # n, p, L, K
read <- function(name, count) readBin(file.path(folder, name), "double", count)
X <- matrix(read("X", sizes[1] * sizes[2]), sizes[1])
y <- read("y", sizes[1])
lams <- read("lams", sizes[3])
folds <- read("folds", sizes[1])
X_mean <- colMeans(X)
y_mean <- mean(y)
centred <- sweep(X, 2, X_mean)

glmnet_path <- function(X, y, thresh) {
  fit <- glmnet(X, y, lambda = lams, standardize = FALSE, intercept = FALSE, thresh = thresh, maxit = 1e8)
  as.matrix(fit$beta)  # (p, L)
}

with_intercept <- function(beta, X_mean, y_mean) rbind(y_mean - drop(X_mean %*% beta), beta)

# One fold of cross-validation, or all rows for label -1: centring belongs to the work.
one_fold <- function(label, thresh) {
  train <- folds != label
  X_mean <- colMeans(X[train, , drop = FALSE])
  y_mean <- mean(y[train])
  beta <- glmnet_path(sweep(X[train, , drop = FALSE], 2, X_mean), y[train] - y_mean, thresh)
  coef <- with_intercept(beta, X_mean, y_mean)
  residual <- y[!train] - cbind(1, X[!train, , drop = FALSE]) %*% coef
  list(squares = colSums(residual^2), coef = coef)
}

run <- function(job, thresh) {
  if (job == "path") {
    return(list(coef = list(with_intercept(glmnet_path(centred, y - y_mean, thresh), X_mean, y_mean))))
  }
  start <- as.numeric(Sys.time())
  all_rows <- one_fold(-1, thresh)
  labels <- seq_len(sizes[4]) - 1
  if (length(labels) * (as.numeric(Sys.time()) - start) < 0.3) cores <- 1  # processes would not pay
  results <- parallel::mclapply(labels, one_fold, thresh = thresh, mc.cores = cores)
  squares <- Reduce(`+`, lapply(results, function(one) one$squares))
  results <- c(list(all_rows), results)
  list(error = squares / length(y), coef = lapply(results, function(one) one$coef))
}

if (!loaded) {
  say("missing the package glmnet")
  quit()
}
say("ready", imported, as.character(packageVersion("glmnet")))
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) == 1) {
  request <- strsplit(line, " ")[[1]]
  thresh <- as.numeric(request[2])
  reply <- tryCatch({
    clock <- function() as.numeric(Sys.time())
    start <- clock()
    result <- run(request[1], thresh)
    first <- best <- clock() - start
    calls <- 1
    while (clock() - start < 0.2 && calls < 20) {
      again <- clock()
      run(request[1], thresh)
      best <- min(best, clock() - again)
      calls <- calls + 1
    }
    if (request[3] != "-") {
      out <- file(request[3], "wb")
      writeBin(as.double(result$error), out)
      for (coef in result$coef) writeBin(as.vector(coef), out)
      close(out)
    }
    paste("done", format(first, digits = 8), format(best, digits = 8), "nan nan")
  }, error = function(error) paste("failed", strsplit(conditionMessage(error), "\n")[[1]][1]))
  say(reply)
}
