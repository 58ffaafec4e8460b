/* Answers every unary call with the bytes of a file: what grpc++ costs when nothing is done.
 *
 *     grpcpp_echo REPLY_FILE
 *
 * The generic asynchronous service, one completion queue, one thread: the fastest way that grpc++
 * has. Prints the port of the loopback that it took as the event `listening`, as Tillcore does.
 */
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

namespace {

constexpr int kWaitingCalls = 128;

// One call: requested, read, answered, gone.
class Call {
public:
    Call(grpc::AsyncGenericService *service, grpc::ServerCompletionQueue *queue,
         const grpc::Slice &reply)
        : service_(service), queue_(queue), reply_(reply), stream_(&context_)
    {
        service_->RequestCall(&context_, &stream_, queue_, queue_, this);
    }

    void Proceed(bool is_ok)
    {
        switch (step_) {
        case Step::kRequested:
            if (!is_ok) {
                delete this;
                return;
            }
            new Call(service_, queue_, reply_);
            step_ = Step::kRead;
            stream_.Read(&request_, this);
            return;
        case Step::kRead: {
            step_ = Step::kAnswered;
            grpc::ByteBuffer answer(&reply_, 1);
            stream_.WriteAndFinish(answer, grpc::WriteOptions(), grpc::Status::OK, this);
            return;
        }
        case Step::kAnswered:
            delete this;
        }
    }

private:
    enum class Step { kRequested, kRead, kAnswered };

    grpc::AsyncGenericService *service_;
    grpc::ServerCompletionQueue *queue_;
    grpc::Slice reply_;
    grpc::GenericServerContext context_;
    grpc::GenericServerAsyncReaderWriter stream_;
    grpc::ByteBuffer request_;
    Step step_ = Step::kRequested;
};

}  // namespace

int main(int count, char **arguments)
{
    if (count != 2) {
        std::cerr << "usage: grpcpp_echo REPLY_FILE\n";
        return 2;
    }
    std::ifstream file(arguments[1], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const grpc::Slice reply(text.data(), text.size());

    int port = 0;
    grpc::AsyncGenericService service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterAsyncGenericService(&service);
    const auto queue = builder.AddCompletionQueue();
    const auto server = builder.BuildAndStart();
    if (!server) {
        std::cerr << "cannot listen\n";
        return 1;
    }
    for (int each = 0; each < kWaitingCalls; each++) {
        new Call(&service, queue.get(), reply);
    }
    std::cerr << "{\"event\": \"listening\", \"port\": " << port << "}" << std::endl;
    void *tag = nullptr;
    bool is_ok = false;
    while (queue->Next(&tag, &is_ok)) {
        static_cast<Call *>(tag)->Proceed(is_ok);
    }
    return 0;
}
