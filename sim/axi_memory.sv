// Pins of the memory in axi_model.h. One a simulation; sim/axi_memory.py controls it.

module axi_memory #(
    parameter int DATA_WIDTH = 128
) (
    input  bit                    clk,
    input  bit                    rst,
    input  bit                    arvalid,
    output bit                    arready,
    input  bit             [39:0] araddr,
    input  bit                    arid,
    input  bit              [7:0] arlen,
    input  bit              [2:0] arsize,
    input  bit              [1:0] arburst,
    output bit                    rvalid,
    input  bit                    rready,
    output bit                    rid,
    output bit   [DATA_WIDTH-1:0] rdata,
    output bit              [1:0] rresp,
    output bit                    rlast,
    input  bit                    awvalid,
    output bit                    awready,
    input  bit             [39:0] awaddr,
    input  bit                    awid,
    input  bit              [7:0] awlen,
    input  bit              [2:0] awsize,
    input  bit              [1:0] awburst,
    input  bit                    wvalid,
    output bit                    wready,
    input  bit   [DATA_WIDTH-1:0] wdata,
    input  bit [DATA_WIDTH/8-1:0] wstrb,
    input  bit                    wlast,
    output bit                    bvalid,
    input  bit                    bready,
    output bit                    bid,
    output bit              [1:0] bresp
);
    import "DPI-C" function void axi_memory_open(input int beat_bytes);
    import "DPI-C" function void axi_memory_reset();
    import "DPI-C" function void axi_memory_read(
        input bit arvalid, input longint araddr, input int arid, input int arlen, input int arsize, input int arburst,
        input bit rready, output bit arready, output bit rvalid, output int rid, output int rresp, output bit rlast,
        output bit [127:0] rdata);
    import "DPI-C" function void axi_memory_write(
        input bit awvalid, input longint awaddr, input int awid, input int awlen, input int awsize, input int awburst,
        input bit wvalid, input bit wlast, input int wstrb, input bit [127:0] wdata, input bit bready,
        output bit awready, output bit wready, output bit bvalid, output int bid, output int bresp);

    bit arready_next, rvalid_next, rlast_next, awready_next, wready_next, bvalid_next;
    int rid_next, rresp_next, bid_next, bresp_next;
    bit [127:0] rdata_next;

    initial axi_memory_open(DATA_WIDTH / 8);

    always @(posedge clk) begin
        if (rst) begin
            axi_memory_reset();
            {arready, rvalid, awready, wready, bvalid} <= 0;
        end else begin
            axi_memory_read(arvalid, 64'(araddr), 32'(arid), 32'(arlen), 32'(arsize), 32'(arburst), rready,
                arready_next, rvalid_next, rid_next, rresp_next, rlast_next, rdata_next);
            arready <= arready_next;
            rvalid <= rvalid_next;
            rid <= 1'(rid_next);
            rresp <= 2'(rresp_next);
            rlast <= rlast_next;
            rdata <= rdata_next[DATA_WIDTH-1:0];
            axi_memory_write(awvalid, 64'(awaddr), 32'(awid), 32'(awlen), 32'(awsize), 32'(awburst), wvalid, wlast,
                32'(wstrb), 128'(wdata), bready, awready_next, wready_next, bvalid_next, bid_next, bresp_next);
            awready <= awready_next;
            wready <= wready_next;
            bvalid <= bvalid_next;
            bid <= 1'(bid_next);
            bresp <= 2'(bresp_next);
        end
    end
endmodule
