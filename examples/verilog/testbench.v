// The Heron chip beside a memory, in plain Verilog: what an integrator's own testbench may start from.
//
// Reads memory.hex, one byte a line: a source picture in NV12 at SOURCE. Programs the registers, starts the picture, waits
// for the interrupt, reads the results, and writes the stream to stream.hevc. `make example` prepares the files, runs this
// and compares the stream with the reference codec's.

`timescale 1ns / 1ps
`include "heron_registers.vh"
`include "picture.vh"  // WIDTH, HEIGHT, STRIDE, QP

module testbench;
    localparam BYTES = 16;  // of the bus
    localparam MEMORY = 1 << 20;
    localparam SOURCE = 'h01000, RECON = 'h40000, STREAM = 'h80003, STREAM_SIZE = 'h40000;

    reg clk = 0, rst = 1;
    always #5 clk = !clk;

    // Registers: one access at a time.
    reg [11:0] awaddr = 0, araddr = 0;
    reg [31:0] wdata = 0;
    reg awvalid = 0, wvalid = 0, arvalid = 0;
    wire awready, wready, arready, bvalid, rvalid, irq;
    wire [31:0] rdata;
    wire [1:0] bresp, rresp;

    // The memory bus.
    wire [39:0] m_araddr, m_awaddr;
    wire [7:0] m_arlen, m_awlen;
    wire m_arid, m_awid;
    wire m_arvalid, m_awvalid, m_wvalid, m_wlast, m_rready, m_bready;
    wire [8*BYTES-1:0] m_wdata;
    wire [BYTES-1:0] m_wstrb;
    reg [8*BYTES-1:0] m_rdata;

    reg [7:0] memory[0:MEMORY-1];

    chip chip (
        .clk(clk), .rst(rst), .irq(irq),
        .s_axi_awaddr(awaddr), .s_axi_awprot(3'd0), .s_axi_awvalid(awvalid), .s_axi_awready(awready),
        .s_axi_wdata(wdata), .s_axi_wstrb(4'hf), .s_axi_wvalid(wvalid), .s_axi_wready(wready),
        .s_axi_bresp(bresp), .s_axi_bvalid(bvalid), .s_axi_bready(1'b1),
        .s_axi_araddr(araddr), .s_axi_arprot(3'd0), .s_axi_arvalid(arvalid), .s_axi_arready(arready),
        .s_axi_rdata(rdata), .s_axi_rresp(rresp), .s_axi_rvalid(rvalid), .s_axi_rready(1'b1),
        .m_axi_arid(m_arid), .m_axi_araddr(m_araddr), .m_axi_arlen(m_arlen), .m_axi_arvalid(m_arvalid),
        .m_axi_arready(!reading), .m_axi_arsize(), .m_axi_arburst(), .m_axi_arlock(), .m_axi_arcache(),
        .m_axi_arprot(), .m_axi_arqos(),
        .m_axi_rid(read_id), .m_axi_rdata(m_rdata), .m_axi_rresp(2'd0), .m_axi_rlast(read_left == 0),
        .m_axi_rvalid(reading), .m_axi_rready(m_rready),
        .m_axi_awid(m_awid), .m_axi_awaddr(m_awaddr), .m_axi_awlen(m_awlen), .m_axi_awvalid(m_awvalid),
        .m_axi_awready(!writing && !answering), .m_axi_awsize(), .m_axi_awburst(), .m_axi_awlock(), .m_axi_awcache(),
        .m_axi_awprot(), .m_axi_awqos(),
        .m_axi_wdata(m_wdata), .m_axi_wstrb(m_wstrb), .m_axi_wlast(m_wlast), .m_axi_wvalid(m_wvalid),
        .m_axi_wready(writing),
        .m_axi_bid(write_id), .m_axi_bresp(2'd0), .m_axi_bvalid(answering), .m_axi_bready(m_bready)
    );

    // A memory that takes one burst of each kind at a time and answers at once.
    reg reading = 0, writing = 0, answering = 0, read_id, write_id;
    reg [39:0] read_at, write_at;
    reg [7:0] read_left;
    integer k;
    always @* for (k = 0; k < BYTES; k = k + 1) m_rdata[8*k +: 8] = memory[read_at[19:0] + k[19:0]];
    always @(posedge clk) begin
        if (m_arvalid && !reading) begin
            reading <= 1;
            read_id <= m_arid;
            read_at <= m_araddr;
            read_left <= m_arlen;
        end else if (reading && m_rready) begin
            reading <= read_left != 0;
            read_at <= read_at + BYTES;
            read_left <= read_left - 1;
        end
        if (m_awvalid && !writing && !answering) begin
            writing <= 1;
            write_id <= m_awid;
            write_at <= m_awaddr;
        end
        if (writing && m_wvalid) begin
            for (k = 0; k < BYTES; k = k + 1)
                if (m_wstrb[k]) memory[write_at[19:0] + k[19:0]] <= m_wdata[8*k +: 8];
            write_at <= write_at + BYTES;
            if (m_wlast) begin
                writing <= 0;
                answering <= 1;
            end
        end
        if (answering && m_bready) answering <= 0;
    end

    // Signals change just after the edge that they follow.
    reg aw_taken, w_taken;
    task write(input [11:0] address, input [31:0] value);
        begin
            awaddr = address;
            wdata = value;
            awvalid = 1;
            wvalid = 1;
            while (awvalid || wvalid) begin
                @(negedge clk);
                aw_taken = awvalid && awready;
                w_taken = wvalid && wready;
                @(posedge clk) #1;
                if (aw_taken) awvalid = 0;
                if (w_taken) wvalid = 0;
            end
            while (!bvalid) @(negedge clk);
            if (bresp != 0) $fatal(1, "register %h refuses %h", address, value);
            @(posedge clk) #1;
        end
    endtask

    reg [31:0] value;
    task read(input [11:0] address);
        begin
            araddr = address;
            arvalid = 1;
            @(negedge clk);
            while (!arready) @(negedge clk);
            @(posedge clk) #1 arvalid = 0;
            while (!rvalid) @(negedge clk);
            value = rdata;
            if (rresp != 0) $fatal(1, "register %h cannot be read", address);
            @(posedge clk) #1;
        end
    endtask

    integer file, n;
    initial begin
        $readmemh("memory.hex", memory);
        repeat (4) @(posedge clk);
        #1 rst = 0;
        read(`HERON_ID);
        if (value != 32'h4e524548) $fatal(1, "no Heron: ID is %h", value);
        read(`HERON_GIT_HASH);
        $display("commit %h", value);

        write(`HERON_SIZE, {2'd0, 14'd`HEIGHT, 2'd0, 14'd`WIDTH});
        write(`HERON_MODE, 32'h61);  // NV12, reconstruction, parameter sets
        write(`HERON_QP, `QP);
        write(`HERON_SOURCE_Y_LOW, SOURCE);
        write(`HERON_SOURCE_CB_LOW, SOURCE + `HEIGHT * `STRIDE);
        write(`HERON_SOURCE_STRIDE_Y, `STRIDE);
        write(`HERON_SOURCE_STRIDE_C, `STRIDE);
        write(`HERON_RECON_Y_LOW, RECON);
        write(`HERON_RECON_CB_LOW, RECON + (`HEIGHT + 7) / 8 * 8 * `STRIDE);
        write(`HERON_RECON_STRIDE_Y, `STRIDE);
        write(`HERON_RECON_STRIDE_C, `STRIDE);
        write(`HERON_BITSTREAM_LOW, STREAM);
        write(`HERON_BITSTREAM_SIZE, STREAM_SIZE);
        write(`HERON_IRQ_ENABLE, 1);
        write(`HERON_CONTROL, 1);  // start

        fork : waiting
            begin
                @(posedge irq);
                disable waiting;
            end
            begin
                #100000000 $fatal(1, "no interrupt");
            end
        join
        read(`HERON_ERROR);
        if (value != 0) $fatal(1, "the picture ended with code %0d", value[7:0]);
        read(`HERON_CYCLES);
        $display("%0d cycles, %0d for each hundred luma samples", value, value * 100 / (`WIDTH * `HEIGHT));
        read(`HERON_BITSTREAM_POSITION);
        $display("%0d bytes", value);
        file = $fopen("stream.hevc", "wb");
        for (n = 0; n < value; n = n + 1) $fwrite(file, "%c", memory[STREAM + n]);
        $fclose(file);
        write(`HERON_IRQ_STATUS, 1);
        if (irq) $fatal(1, "the interrupt stays");
        $finish;
    end
endmodule
